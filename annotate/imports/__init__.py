"""Files in: prompts, completions and ratings from JSONL, CSV and Parquet, in the formats that people have."""
