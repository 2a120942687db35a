for to in ("11.11.1.1", "11.11.2.1", "10.20.30.40", "2a00:1111::6", "::ffff:11.11.1.1", "::ffff:10.20.30.40", "lan.test"):
    attempt(to, lambda: reach(to))
attempt("another port", lambda: reach("11.11.1.1", LONE))
