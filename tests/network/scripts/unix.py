import tempfile

os.chdir(tempfile.mkdtemp())

def talk(bound, asked=None, kind=socket.SOCK_STREAM):
    """What a server that waits at one address says to who connects to another."""
    with socket.socket(socket.AF_UNIX, kind) as server, socket.socket(socket.AF_UNIX, kind) as client:
        server.bind(bound)
        server.listen(1)
        client.connect(asked or bound)
        peer, _ = server.accept()
        pid, uid, gid = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        there = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        peer.sendall(b"hello")
        peer.close()
        own = (uid, gid) == (os.getuid(), os.getgid()) == there[1:]
        return f"{rest(client)}, own user: {own}"

def through_a_link():
    os.mkdir("folder")
    os.symlink("folder", "link")
    os.symlink(os.path.abspath("folder/socket"), "absolute link")
    first = talk("folder/socket", "link/socket")
    os.unlink("folder/socket")
    return first, talk("folder/socket", "absolute link")

def datagram():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        server.bind("datagram")
        client.connect("datagram")
        client.send(b"one")
        client.sendto(b"two", "datagram")
        return server.recv(9).decode() + server.recv(9).decode()

def full():
    """A server whose queue is full makes clients wait until it takes one."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("full")
        server.listen(0)
        first = socket.socket(socket.AF_UNIX)
        first.connect("full")
        second = socket.socket(socket.AF_UNIX)
        second.setblocking(False)
        at_once = errno.errorcode.get(second.connect_ex("full"), 0)
        second.setblocking(True)
        thread = threading.Thread(target=lambda: second.connect("full"))
        thread.start()
        server.accept()
        thread.join()
        server.accept()
        return at_once

attempt("absolute", lambda: talk(os.path.abspath("absolute")))
attempt("relative", lambda: talk("relative"))
attempt("dotted", lambda: talk("dotted", "./../" + os.path.basename(os.getcwd()) + "/dotted"))
attempt("abstract", lambda: talk("\0abstract of the tests %d" % os.getpid()))
attempt("packets", lambda: talk("packets", kind=socket.SOCK_SEQPACKET))
attempt("link", through_a_link)
attempt("datagram", datagram)
attempt("full", full)
attempt("nobody there", lambda: socket.socket(socket.AF_UNIX).connect("absolute"))
attempt("no such file", lambda: socket.socket(socket.AF_UNIX).connect("missing"))
attempt("no socket", lambda: (open("file", "w").close(), socket.socket(socket.AF_UNIX).connect("file")))
attempt("taken", lambda: socket.socket(socket.AF_UNIX).bind("relative"))
