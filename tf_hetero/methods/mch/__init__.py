"""MCH: a recurrent network that learns the structure of a trained model."""
