import ctypes

libc = ctypes.CDLL(None, use_errno=True)
HOLE = socket.gethostbyname("hole.test")
ADDRESS = struct.pack("=H", socket.AF_INET) + struct.pack(">H", ECHO) + socket.inet_aton(HOLE) + bytes(8)

def connect(s):
    """One connect(2), without what Python does about EINTR."""
    code = libc.connect(s.fileno(), ADDRESS, len(ADDRESS))
    return errno.errorcode[ctypes.get_errno()] if code else "connected"

def interrupted():
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.siginterrupt(signal.SIGALRM, True)
    with socket.socket() as s:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        first = connect(s)
        s.setblocking(False)
        return first, connect(s)

def restarted():
    """With SA_RESTART the call goes on: the child gets two signals, and is still in it."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        # The C library's handler runs at once; Python's would wait for the end of the call.
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        signal.signal(signal.SIGUSR1, lambda *_: None)
        signal.siginterrupt(signal.SIGUSR1, False)
        os.write(write, b"begin")
        with socket.socket() as s:
            os.write(write, connect(s).encode())
        os._exit(0)
    os.close(write)
    said = os.read(read, 5).decode()
    for _ in range(2):
        # Until it sleeps in the call.
        state = ""
        while state != "S":
            with open(f"/proc/{child}/stat") as stat:
                state = stat.read().rsplit(")", 1)[1].split()[0]
        os.kill(child, signal.SIGUSR1)
        said += f" {os.read(read, 1)[0] == signal.SIGUSR1}"
    ended = bool(select.select([read], [], [], 0.3)[0])
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return said, f"ended: {ended}"

def killed_meanwhile():
    """A process that dies in the call leaves nothing behind that keeps another from connecting."""
    children = []
    for _ in range(20):
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(write, b"x")
            with socket.socket() as s:
                connect(s)
            os._exit(0)
        os.read(read, 1)
        os.close(read)
        os.close(write)
        children.append(child)
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return reach("api.test")

def often():
    """Many calls and many signals: each call goes on."""
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.siginterrupt(signal.SIGALRM, False)
    signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
    try:
        return sorted({reach_at(("api.test", GREETER)) for _ in range(30)})
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)

def reach_at(to):
    with socket.socket() as s:
        s.connect(to)
        return rest(s)

attempt("interrupted", interrupted)
attempt("restarted", restarted)
attempt("killed meanwhile", killed_meanwhile)
attempt("interrupted often", often)
