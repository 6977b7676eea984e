"""Bad luck on purpose: commands that are killed, and disks that are full."""
