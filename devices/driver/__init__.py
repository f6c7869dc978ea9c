"""Devices in the words of XFS4IoT: what can be asked of them, and counts of what became of the notes."""
