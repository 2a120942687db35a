import ipaddress

SYNTHETIC = ipaddress.ip_network("198.18.0.0/15")

def addresses(name, family=0):
    try:
        found = socket.getaddrinfo(name, 443, family, socket.SOCK_STREAM)
    except socket.gaierror as error:
        if name_of(error) in ("EAI_NONAME", "EAI_NODATA", "EAI_ADDRFAMILY"):
            return []
        raise
    return sorted(entry[4][0] for entry in found)

def found(name, family=0):
    found = addresses(name, family)
    if len(found) == 1 and ipaddress.ip_address(found[0]) in SYNTHETIC:
        return "one synthetic IPv4"
    return " ".join(found) or "nothing"

def reverse(address):
    try:
        return socket.gethostbyaddr(address)[0]
    except socket.herror:
        return "nothing"

attempt("lower case", lambda: found("api.test"))
attempt("mixed case", lambda: found("Api.TEST"))
attempt("trailing dot", lambda: found("api.test."))
attempt("same again", lambda: addresses("api.test") == addresses("API.test") == [socket.gethostbyname("api.test")])
attempt("two names", lambda: "differ" if addresses("api.test") != addresses("six.test") else "same")
attempt("IPv6 only", lambda: found("six.test"))
attempt("asked for IPv6", lambda: found("api.test", socket.AF_INET6))
attempt("localhost", lambda: found("localhost"))
attempt("below localhost", lambda: found("some.localhost"))
attempt("reverse", lambda: reverse(socket.gethostbyname("api.test")))
attempt("reverse of another", lambda: reverse("198.19.255.1"))
attempt("reverse of loopback", lambda: reverse("127.0.0.1"))
attempt("own name", lambda: socket.gethostbyname(socket.gethostname()))
attempt("not allowed", lambda: found("forbidden.test"))
attempt("without such a host", lambda: found("nosuch.test"))
attempt("one label", lambda: found("api"))
attempt("a number", lambda: found("11.11.1.1"))
