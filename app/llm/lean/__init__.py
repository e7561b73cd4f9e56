"""OpenAI's chat completions read with as little as it takes: what most of a token's cost is otherwise."""
