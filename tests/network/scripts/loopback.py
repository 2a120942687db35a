def own(family, address):
    """A server of the box's own, connected to by the box."""
    with socket.create_server((address, 0), family=family) as server, socket.socket(family) as client:
        client.connect(server.getsockname()[:2])
        peer, _ = server.accept()
        peer.sendall(b"own")
        peer.close()
        return rest(client)

def own_without_waiting():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        client.setblocking(False)
        began = errno.errorcode.get(client.connect_ex(server.getsockname()), 0)
        peer, _ = server.accept()
        client.setblocking(True)
        peer.sendall(b"own")
        peer.close()
        return f"{began} {rest(client)}"

def own_by_name():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(("localhost", server.getsockname()[1])) as client:
        peer, _ = server.accept()
        peer.sendall(b"own")
        peer.close()
        return rest(client)

def any_address():
    with socket.create_server(("0.0.0.0", 0)) as server, socket.create_connection(("127.0.0.1", server.getsockname()[1])):
        return server.accept()[0].getpeername()[0]

def datagram():
    with socket.socket(type=socket.SOCK_DGRAM) as server, socket.socket(type=socket.SOCK_DGRAM) as client:
        server.bind(("127.0.0.1", 0))
        client.sendto(b"own", server.getsockname())
        return server.recv(10).decode()

attempt("own", lambda: own(socket.AF_INET, "127.0.0.1"))
attempt("own IPv6", lambda: own(socket.AF_INET6, "::1"))
attempt("own, without waiting", own_without_waiting)
attempt("own by name", own_by_name)
attempt("any address", any_address)
attempt("datagram", datagram)
attempt("nobody there", lambda: reach("127.0.0.1", 1))
