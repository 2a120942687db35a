TYPES = {"A": 1, "NS": 2, "CNAME": 5, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33, "SVCB": 64, "HTTPS": 65, "ANY": 255}

for transport in ("UDP", "TCP"):
    for name in ("api.test", "forbidden.test"):
        for kind, number in TYPES.items():
            attempt(f"{transport} {name} {kind}", lambda: query(transport, name, number))
