"""Measurements, each beside a peer or a limit that is taken in the same run: `kiosk bench NAME`."""
