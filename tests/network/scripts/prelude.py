import errno, faulthandler, os, resource, select, signal, socket, struct, sys, threading, time

# What hangs says where.
faulthandler.dump_traceback_later(60, exit=True)

GREETER, ECHO, LONE = 7000, 7001, 7100

def say(label, result):
    print(f"{label}: {result}", flush=True)

def name_of(error):
    if isinstance(error, socket.gaierror):
        names = [name for name in dir(socket) if name.startswith("EAI_") and getattr(socket, name) == error.errno]
        return names[0] if names else str(error)
    return errno.errorcode.get(error.errno, str(error))

def in_time(act):
    """What `act` returns or the errno it fails with, and whether that took longer than anybody wants to wait."""
    start = time.monotonic()
    try:
        result = act()
    except OSError as error:
        result = name_of(error)
    late = time.monotonic() - start > 2
    return f"{result} LATE" if late else result

def attempt(label, act):
    """Says what comes of it in time."""
    say(label, in_time(act))

def rest(connection):
    """Everything until the other side ends."""
    text = b""
    while part := connection.recv(4096):
        text += part
    return text.decode()

def reach(host, port=GREETER):
    """The greeting of a host, as most programs connect."""
    with socket.create_connection((host, port), timeout=20) as connection:
        connection.setblocking(True)
        return rest(connection)

def echoed(connection, text=b"there and back"):
    connection.sendall(text)
    got = b""
    while len(got) < len(text):
        part = connection.recv(4096)
        if not part:
            return f"ended after {got}"
        got += part
    return got.decode()

def reach_http(host, named=None):
    """The body that a host answers, asked for in HTTP."""
    with socket.create_connection((host, 80), timeout=20) as connection:
        connection.sendall(f"GET / HTTP/1.1\r\nHost: {named or host}\r\n\r\n".encode())
        return rest(connection).split("\r\n\r\n", 1)[-1]
