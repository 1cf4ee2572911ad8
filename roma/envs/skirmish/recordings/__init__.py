"""Single battles, their recordings and their pictures. Nothing in this package influences how a battle goes."""
