"""Who says what when: pure sessions over a codec. No port, no clock: `now` (seconds) is an argument."""
