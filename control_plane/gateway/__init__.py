"""The enforcement point: every request is canonical, authenticated, decided and sealed before a house sees it."""
