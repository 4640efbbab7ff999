"""The autolabeler: asks the voters about every item and publishes their pooled opinion."""
