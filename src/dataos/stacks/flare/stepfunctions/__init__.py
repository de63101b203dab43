"""Step functions (ch04 4): what a step does to its result after its SQL, column by column. Each becomes SQL."""
