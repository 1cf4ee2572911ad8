"""Columns of metrics.parquet that show whether ROMA's role losses are healthy. Imports no torch.

Every arm with roles has them. A row's values are of the last update before its test, after the optimiser's step, on the
first eight episodes of that update's batch with role samples of their own; rows before the first update have none. They
are means over the real steps, of all agents or pairs of agents as the losses take them, dead ones included; the columns
that end in `_living` count living agents, or pairs of living agents, alone. Pairs are ordered and of two agents,
i != j. I' and d' are I and d after the learner's own min-max normalisation, in which the dead take part; with
`mask_dead` the losses leave the dead out, and so do all columns of pairs.
"""

HIGH_INFORMATION = 0.9  # from here on I' counts as high

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
