import ssl

def tls(host, named):
    context = ssl.create_default_context(cadata=CERTIFICATE)
    if named is None:
        context.check_hostname = False
    with socket.create_connection((host, 443), timeout=20) as connection:
        with context.wrap_socket(connection, server_hostname=named) as secured:
            return rest(secured)

def first_bytes(port, data):
    with socket.create_connection(("api.test", port), timeout=20) as connection:
        connection.sendall(data)
        return "ended" if not connection.recv(1000).startswith(b"HTTP") else "answered"

attempt("TLS, own name", lambda: tls("api.test", "api.test"))
attempt("TLS, another name", lambda: tls("api.test", "forbidden.test"))
attempt("TLS, no name", lambda: tls("api.test", None))
attempt("HTTP, own name", lambda: reach_http("api.test"))
attempt("HTTP, own name and port", lambda: reach_http("api.test", "API.test:80"))
attempt("HTTP, another name", lambda: reach_http("api.test", "forbidden.test"))
attempt("neither", lambda: first_bytes(80, b"EHLO tests\r\n\r\n"))
attempt("neither, on 443", lambda: first_bytes(443, b"SSH-2.0-tests\r\n"))
