"""Columns of metrics.parquet that show whether ROMA's role losses are healthy. Torch is not imported.

All arms with roles have these columns. The values of a row belong to the last update before its test. They are computed
after the optimiser's step, from the first eight episodes of that update's batch, with newly sampled roles. Rows before
the first update are null.

The values are means over real timesteps and over all agents, or ordered pairs of agents i != j, dead agents included.
Columns that end in `_living` are means over living agents, or pairs of living agents. I' and d' are I and d after the
learner's min-max normalisation, which includes dead agents. With `mask_dead` the losses exclude dead agents, and so do
all columns of pairs.
"""

HIGH_INFORMATION = 0.9  # least I' that counts as high

ROLE_COLUMNS = {
    "role_variance": "variance of the role distribution p, mean over its dimensions and agents",
    "role_variance_living": "the same of living agents",
    "posterior_variance": "variance of the posterior q_xi, mean over its dimensions and agents",
    "posterior_variance_living": "the same of living agents",
    "role_divergence": "L_I, the divergence of p from q_xi in nats, mean over agents",
    "role_divergence_living": "the same of living agents",
    "information_q05": "5 % quantile of I' over all pairs of all steps",
    "information_q10": "10 % quantile of I'",
    "information_q50": "median of I'",
    "information_high_share": "share of pairs with I' of at least 0.9",
    "information_q05_living": "5 % quantile of I' over pairs of living agents",
    "information_q10_living": "10 % quantile of I' over pairs of living agents",
    "information_q50_living": "median of I' over pairs of living agents",
    "information_high_share_living": "share of pairs of living agents with I' of at least 0.9",
    "dissimilarity_between_types": "d' of pairs of two unit types; null on maps of one type, and without d",
    "dissimilarity_within_types": "d' of pairs of one unit type; null without d",
    "dissimilarity_between_types_living": "d' of pairs of two unit types, both living",
    "dissimilarity_within_types_living": "d' of pairs of one unit type, both living",
    "specialisation_gap": "L_D summed over pairs, whatever `pair_reduction` says, minus its least value, 1 - n(n - 1)"
    " for n agents: the normalisation makes one d' 1 and one I' 0",
    "role_gradient_td": "norm of the gradient of L_TD with respect to the role encoder",
    "role_gradient_identifiability": "the same of L_I as it enters the loss, with its weight (in the release with the"
    " entropy, inside the softplus); null if its weight is 0",
    "role_gradient_specialisation": "the same of L_D with its weight; null if its weight is 0",
}
