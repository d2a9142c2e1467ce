"""From tables of runs to verdicts: statistics, rules and the sentences that state them."""
