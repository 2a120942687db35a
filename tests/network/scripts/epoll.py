import ctypes, platform

libc = ctypes.CDLL(None, use_errno=True)

class Event(ctypes.Structure):
    # Packed on x86-64 alone (epoll_event of epoll_ctl(2)).
    _pack_ = 1 if platform.machine() == "x86_64" else 8
    _fields_ = [("events", ctypes.c_uint32), ("data", ctypes.c_uint64)]

def add(epoll, fd, events, data):
    event = Event(events, data)
    if libc.epoll_ctl(epoll, 1, fd, ctypes.byref(event)) != 0:
        raise OSError(ctypes.get_errno(), "epoll_ctl")

def wait(epoll, seconds=10):
    event = Event()
    count = libc.epoll_wait(epoll, ctypes.byref(event), 1, int(seconds * 1000))
    if count != 1:
        return "nothing"
    names = [name for name in ("IN", "OUT", "ERR", "HUP") if event.events & getattr(select, f"EPOLL{name}")]
    return f"{'+'.join(names)} of {event.data:x}"

TO = socket.getaddrinfo("api.test", ECHO, socket.AF_INET, socket.SOCK_STREAM)[0][4]
DATA = 0xfeedfacecafe1234

def registered(events, blocking=False):
    """What epoll tells of a socket that it knew before it was connected."""
    with socket.socket() as s, select.epoll() as epoll:
        s.setblocking(blocking)
        add(epoll.fileno(), s.fileno(), events, DATA)
        wait(epoll.fileno(), 0)
        s.connect_ex(TO)
        told = [wait(epoll.fileno())]
        s.setblocking(True)
        s.sendall(b"x")
        libc.epoll_ctl(epoll.fileno(), 3, s.fileno(), ctypes.byref(Event(select.EPOLLIN | events & select.EPOLLET, DATA + 1)))
        told.append(wait(epoll.fileno()))
        s.recv(1)
        epoll.unregister(s)
        told.append(wait(epoll.fileno(), 0))
        return told

def refused(events):
    with socket.socket() as s, select.epoll() as epoll:
        s.setblocking(False)
        add(epoll.fileno(), s.fileno(), events, DATA)
        wait(epoll.fileno(), 0)
        s.connect_ex((TO[0], 7999))
        told = wait(epoll.fileno())
        return told, errno.errorcode.get(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), 0)

def two_instances():
    """Known to two, one of them by a duplicate."""
    with socket.socket() as s, select.epoll() as one, select.epoll() as two:
        other = s.dup()
        s.setblocking(False)
        add(one.fileno(), s.fileno(), select.EPOLLOUT, 1)
        add(two.fileno(), other.fileno(), select.EPOLLOUT, 2)
        s.connect_ex(TO)
        told = []
        for epoll in (one, two):
            event = "HUP"
            while "HUP" in event:
                event = wait(epoll.fileno())
            told.append(event)
        return told

def registered_after():
    with socket.socket() as s, select.epoll() as epoll:
        s.setblocking(False)
        s.connect_ex(TO)
        add(epoll.fileno(), s.fileno(), select.EPOLLOUT, DATA)
        return wait(epoll.fileno())

for label, flag in (("level", 0), ("edge", select.EPOLLET)):
    attempt(label, lambda: registered(select.EPOLLOUT | flag))
    attempt(f"{label}, blocking", lambda: registered(select.EPOLLOUT | flag, True))
    attempt(f"{label}, refused", lambda: refused(select.EPOLLOUT | flag))
attempt("two instances", two_instances)
attempt("registered after", registered_after)
