def address(name, port=ECHO):
    return socket.getaddrinfo(name, port, socket.AF_INET, socket.SOCK_STREAM)[0][4]

def tcp(family=socket.AF_INET):
    return socket.socket(family, socket.SOCK_STREAM)

API = address("api.test")
CLOSED = (API[0], 7999)
HOLE = address("hole.test")

def blocking():
    with tcp() as s:
        s.connect(API)
        return echoed(s)

def begin(s, to):
    """connect(2) of a socket that must not wait; its errno."""
    s.setblocking(False)
    return errno.errorcode.get(s.connect_ex(to), "connected")

def when_writable(s, to):
    began = begin(s, to)
    poll = select.poll()
    poll.register(s, select.POLLOUT)
    events = dict(poll.poll(10000)).get(s.fileno(), 0)
    error = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    again = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    hung_up = bool(events & select.POLLHUP)
    return f"{began}, {errno.errorcode.get(error, error)}, then {again}, hung up: {hung_up}"

def non_blocking():
    with tcp() as s:
        state = when_writable(s, API)
        s.setblocking(True)
        return f"{state}, {echoed(s)}"

def non_blocking_refused():
    with tcp() as s:
        return when_writable(s, CLOSED)

def non_blocking_twice():
    with tcp() as s:
        first = begin(s, HOLE)
        return f"{first}, {begin(s, HOLE)}"

def after_success():
    with tcp() as s:
        s.connect(API)
        return errno.errorcode[s.connect_ex(API)]

def after_refusal():
    with tcp() as s:
        first = errno.errorcode[s.connect_ex(CLOSED)]
        s.connect(API)
        return f"{first}, {echoed(s)}"

def never_answered(seconds=0.2):
    with tcp() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 0, int(seconds * 1e6)))
        start = time.monotonic()
        result = errno.errorcode[s.connect_ex(HOLE)]
        took = time.monotonic() - start
        return f"{result}, in time: {seconds * 0.9 < took < seconds + 1.5}"

def given_up():
    with tcp() as s:
        s.settimeout(0.2)
        try:
            s.connect(HOLE)
        except TimeoutError as error:
            return str(error)

def duplicated():
    with tcp() as s:
        other = s.dup()
        third = os.dup(s.fileno())
        s.connect(API)
        same = [os.fstat(fd).st_ino == os.fstat(s.fileno()).st_ino for fd in (other.fileno(), third)]
        os.write(third, b"by the third")
        got = other.recv(100).decode()
        os.close(third)
        return f"{same}, {got}, {echoed(other)}"

def connected_by_the_duplicate():
    with tcp() as s:
        with s.dup() as other:
            other.connect(API)
        return echoed(s)

OPTIONS = {
    "NODELAY": (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    "KEEPALIVE": (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    "KEEPIDLE": (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 77),
    "RCVBUF": (socket.SOL_SOCKET, socket.SO_RCVBUF, 54321),
    "SNDBUF": (socket.SOL_SOCKET, socket.SO_SNDBUF, 65432),
    "LINGER": (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 3)),
    "RCVTIMEO": (socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 9, 500000)),
    "USER_TIMEOUT": (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 12345),
    "TOS": (socket.IPPROTO_IP, socket.IP_TOS, 0x10),
    "OOBINLINE": (socket.SOL_SOCKET, socket.SO_OOBINLINE, 1),
}

def options(told):
    with tcp() as s:
        for level, name, value in OPTIONS.values() if told else []:
            s.setsockopt(level, name, value)
        s.connect(API)
        return {label: s.getsockopt(level, name, 16).hex() for label, (level, name, _) in OPTIONS.items()}

def option_after():
    with tcp() as s:
        s.connect(API)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

def seen_by_a_child(inherited):
    """Whether the program that a child executes has the socket, by its own word."""
    with tcp() as s:
        s.set_inheritable(inherited)
        s.connect(API)
        child = os.fork()
        if child == 0:
            code = "import os, sys\ntry: os.fstat(int(sys.argv[1]))\nexcept OSError: sys.exit(7)"
            os.execv(sys.executable, [sys.executable, "-S", "-E", "-c", code, str(s.fileno())])
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), s.get_inheritable()

def status_flags():
    import fcntl
    flags = []
    for blocking in (True, False):
        with tcp() as s:
            s.setblocking(blocking)
            before = fcntl.fcntl(s, fcntl.F_GETFL)
            s.connect_ex(API)
            flags.append(fcntl.fcntl(s, fcntl.F_GETFL) == before)
    return flags

def names_of_the_ends(name):
    with socket.create_connection((name, ECHO)) as s:
        return bool(s.getpeername()[1] == ECHO and s.getsockname()[1])

def mapped():
    with tcp(socket.AF_INET6) as s:
        s.connect((f"::ffff:{API[0]}", ECHO))
        return f"{s.getpeername()[1]} {echoed(s)}"

def bound_before():
    with tcp() as s:
        s.bind(("0.0.0.0", 0))
        s.connect(API)
        return echoed(s)

attempt("blocking", blocking)
attempt("non-blocking", non_blocking)
attempt("refused", lambda: reach("api.test", 7999))
attempt("refused, non-blocking", non_blocking_refused)
attempt("non-blocking twice", non_blocking_twice)
attempt("connected already", after_success)
attempt("again after a refusal", after_refusal)
attempt("never answered", never_answered)
attempt("given up", given_up)
attempt("duplicated", duplicated)
attempt("connected by the duplicate", connected_by_the_duplicate)
attempt("options", lambda: options(True))
attempt("options of a new socket", lambda: options(False))
attempt("option after", option_after)
attempt("not for children", lambda: seen_by_a_child(False))
attempt("for children", lambda: seen_by_a_child(True))
attempt("status flags", status_flags)
attempt("ends", lambda: names_of_the_ends("api.test"))
attempt("ends of IPv6", lambda: names_of_the_ends("six.test"))
attempt("IPv6 only host", lambda: reach("six.test"))
attempt("first address refuses", lambda: reach("both.test", LONE))
attempt("IPv4 by an IPv6 socket", mapped)
attempt("bound before", bound_before)
attempt("refused after all", lambda: reach("both.test", 7999))
