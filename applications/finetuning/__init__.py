"""Training a pretrained model on another data set, phase by phase."""
