"""Hysteretic QMIX: QMIX with hysteretic Q-learning (Matignon et al. 2007)."""
