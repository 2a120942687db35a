import array, ctypes

libc = ctypes.CDLL(None, use_errno=True)

def receive(connection):
    _, control, _, _ = connection.recvmsg(1, socket.CMSG_SPACE(4 * 8))
    numbers = array.array("i")
    for level, kind, data in control:
        numbers.frombytes(data[: len(data) - len(data) % 4])
    return [socket.socket(fileno=number) for number in numbers]

def disconnect(s):
    if libc.connect(s.fileno(), bytes(16), 16) < 0:
        raise OSError(ctypes.get_errno(), "connect")
    return "disconnected"

with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(PATH)
    fresh, another, connected, datagrams = receive(connection)
attempt("new, connect", lambda: fresh.connect(("11.11.2.1", GREETER)) or rest(fresh))
attempt("new, bind", lambda: another.bind(("0.0.0.0", 0)) or "bound")
attempt("new, listen", lambda: another.listen() or "listening")
attempt("connected, disconnect", lambda: disconnect(connected))
attempt("connected, connect", lambda: connected.connect(("11.11.2.1", GREETER)) or rest(connected))
attempt("connected, listen", lambda: connected.listen() or "listening")
attempt("datagrams, connect", lambda: datagrams.connect(("11.11.1.1", GREETER)) or "connected")
attempt("datagrams, bind", lambda: datagrams.bind(("0.0.0.0", 0)) or "bound")
