"""The one place where accepted mail, its decision, its copies and its events are kept."""
