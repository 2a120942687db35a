import ctypes

libc = ctypes.CDLL(None, use_errno=True)
RAW = "11.11.1.1"
MSG_FASTOPEN = 0x20000000
TCP_FASTOPEN_CONNECT = 30

def inet(ip, port=GREETER):
    return struct.pack("=H", socket.AF_INET) + struct.pack(">H", port) + socket.inet_aton(ip) + bytes(8)

def call(name, *arguments):
    result = getattr(libc, name)(*arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return result

def tcp(family=socket.AF_INET):
    return socket.socket(family, socket.SOCK_STREAM)

class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_char_p), ("length", ctypes.c_size_t)]

class Message(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p), ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.POINTER(Vector)), ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t), ("flags", ctypes.c_int),
        ("sent", ctypes.c_uint32),
    ]

def fast_open(way, to):
    """The first datum opens the connection (RFC 7413); the greeting that comes back."""
    address, data = inet(to), b"x"
    message = Message(address, len(address), ctypes.pointer(Vector(data, len(data))), 1, None, 0, 0, 0)
    with tcp() as s:
        if way == "sendto":
            s.sendto(data, MSG_FASTOPEN, (to, GREETER))
        elif way == "sendmsg":
            s.sendmsg([data], [], MSG_FASTOPEN, (to, GREETER))
        else:
            call("sendmmsg", s.fileno(), ctypes.byref(message), 1, MSG_FASTOPEN)
        return rest(s)

def fast_open_connect(to):
    with tcp() as s:
        s.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1)
        s.connect((to, GREETER))
        s.send(b"x")
        return rest(s)

def multipath(to):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262) as s:
        s.connect((to, GREETER))
        return rest(s)

def datagram(to, port=GREETER, connected=False):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(1.5)
        if connected:
            s.connect((to, port))
            s.send(WORD.encode())
        else:
            s.sendto(WORD.encode(), (to, port))
        return s.recv(100).decode()

def disconnect_and_listen(name):
    """A connected socket is disconnected and would then wait for connections at an address of the machine's."""
    with tcp() as s:
        s.connect((name, GREETER))
        rest(s)
        call("connect", s.fileno(), bytes(16), 16)
        s.bind(("0.0.0.0", 0))
        s.listen()
        return "listening"

def disconnect_and_connect(name, to):
    with tcp() as s:
        s.connect((name, GREETER))
        rest(s)
        code = libc.connect(s.fileno(), bytes(16), 16)
        failed = errno.errorcode[ctypes.get_errno()] if code else "disconnected"
        return f"{failed}, then {errno.errorcode.get(s.connect_ex((to, GREETER)), 'connected')}"

def listen_connected(name):
    with tcp() as s:
        s.connect((name, GREETER))
        s.listen()
        return "listening"

def ring():
    """io_uring_setup(2), whose requests pass no filter of system calls."""
    parameters = (ctypes.c_char * 256)()
    os.close(call("syscall", 425, 4, parameters))
    return "ring"

def echo_request(kind):
    with socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP) as s:
        s.settimeout(1.5)
        s.sendto(struct.pack(">BBHHH", 8, 0, 0xf7fe, 1, 0), (RAW, 0))
        s.recv(100)
        return "answered"

def bind(address, family=socket.AF_INET):
    with tcp(family) as s:
        s.bind((address, 0))
        s.listen()
        return "listening"

def change_while_judged(good, bad):
    """Another thread turns the address over and over. What is reached is `good`, or nothing."""
    stop, greetings = [], set()
    address = ctypes.create_string_buffer(inet(good), 16)
    other = [inet(good), inet(bad)]
    def turn():
        while not stop:
            for one in other:
                ctypes.memmove(address, one, 16)
    def race():
        with tcp() as s:
            code = libc.connect(s.fileno(), address, 16)
            return rest(s) if code == 0 else errno.errorcode[ctypes.get_errno()]
    thread = threading.Thread(target=turn)
    thread.start()
    try:
        for _ in range(200):
            greetings.add(in_time(race))
    finally:
        stop.append(True)
        thread.join()
    return sorted(greetings)

SYNTHETIC = socket.gethostbyname("api.test")

for name in ("meta.test", "lan.test", "inside.test"):
    attempt(f"TCP to {name}", lambda: reach(name, LOOPBACK if name == "inside.test" else GREETER))
attempt("TCP to an address", lambda: reach(RAW))
attempt("TCP to an IPv6 address", lambda: reach("2a00:1111::6"))
attempt("TCP to a mapped address", lambda: reach("::ffff:11.11.1.1"))
attempt("TCP to metadata", lambda: reach("169.254.169.254"))
attempt("TCP to a LAN", lambda: reach("10.20.30.40"))
for to, label in ((RAW, "an address"), (SYNTHETIC, "an allowed name")):
    attempt(f"UDP to {label}", lambda: datagram(to))
    attempt(f"connected UDP to {label}", lambda: datagram(to, connected=True))
    attempt(f"QUIC to {label}", lambda: datagram(to, 443))
    attempt(f"DNS to {label}", lambda: datagram(to, 53))
    for way in ("sendto", "sendmsg", "sendmmsg"):
        attempt(f"fast open by {way} to {label}", lambda: fast_open(way, to))
    attempt(f"multipath TCP to {label}", lambda: multipath(to))
attempt("fast open by option to an address", lambda: fast_open_connect(RAW))
attempt("fast open by option to an allowed name", lambda: fast_open_connect(SYNTHETIC))
attempt("ICMP", lambda: echo_request(socket.SOCK_DGRAM))
attempt("raw ICMP", lambda: echo_request(socket.SOCK_RAW))
attempt("disconnect, listen", lambda: disconnect_and_listen("api.test"))
attempt("disconnect, connect", lambda: disconnect_and_connect("api.test", "11.11.2.1"))
attempt("listen when connected", lambda: listen_connected("api.test"))
attempt("io_uring", ring)
attempt("bind to the machine's address", lambda: bind("11.11.0.2"))
attempt("bind to the machine's IPv6 address", lambda: bind("2a00:1111:0:1::2", socket.AF_INET6))
# In time is each of two hundred races, whose threads take turns in one interpreter.
say("changed while judged", change_while_judged(SYNTHETIC, "11.11.2.1"))
