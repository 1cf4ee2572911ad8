"""Parts that several figures share: the space of roles, its panel, and the statistics of roles printed below it."""
