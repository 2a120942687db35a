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

def many():
    """Many at once, by sockets that do not wait and by some that epoll knew before."""
    answers = []
    def work():
        for _ in range(10):
            with socket.socket() as s, select.epoll() as epoll:
                s.setblocking(False)
                epoll.register(s, select.EPOLLOUT)
                s.connect_ex((socket.gethostbyname("api.test"), 80))
                while select.EPOLLHUP & dict(epoll.poll(10)).get(s.fileno(), 0):
                    pass
                s.setblocking(True)
                s.sendall(b"GET / HTTP/1.1\r\nHost: api.test\r\n\r\n")
                answers.append(rest(s).split("\r\n\r\n", 1)[-1])
    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(answers), sorted(set(answers))

attempt("TLS, own name", lambda: tls("api.test", "api.test"))
attempt("TLS, another name", lambda: tls("api.test", "forbidden.test"))
attempt("TLS, no name", lambda: tls("api.test", None))
attempt("HTTP, own name", lambda: reach_http("api.test"))
attempt("HTTP, own name and port", lambda: reach_http("api.test", "API.test:80"))
attempt("HTTP, another name", lambda: reach_http("api.test", "forbidden.test"))
# However long it takes on a busy machine.
say("many", many())
attempt("neither", lambda: first_bytes(80, b"EHLO tests\r\n\r\n"))
attempt("neither, on 443", lambda: first_bytes(443, b"SSH-2.0-tests\r\n"))
