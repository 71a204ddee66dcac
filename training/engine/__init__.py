"""Plain PyTorch from files to files: no Django, no database. Every part runs as `python -m training.engine.<part> <verb> --config FILE`."""
