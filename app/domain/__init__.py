"""Pure rules: no input, no output, no framework. Each file is one subject of the hotline."""
