"""What a config's runs are made of: settings, stages, training, results, their tables."""
