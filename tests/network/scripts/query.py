CODES = {0: "NOERROR", 2: "SERVFAIL", 3: "NXDOMAIN", 5: "REFUSED"}

def query(transport, name, kind, server="127.0.0.1"):
    """The code of the answer and the number of records in it (RFC 1035)."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    packet = struct.pack(">6H", 4711, 0x100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", kind, 1)
    kind_of_socket = socket.SOCK_DGRAM if transport == "UDP" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind_of_socket) as connection:
        connection.settimeout(1.5)
        connection.connect((server, 53))
        if transport == "UDP":
            connection.send(packet)
            answer = connection.recv(4096)
        else:
            connection.sendall(struct.pack(">H", len(packet)) + packet)
            length = struct.unpack(">H", connection.recv(2, socket.MSG_WAITALL))[0]
            answer = connection.recv(length, socket.MSG_WAITALL)
    number, flags, _, records = struct.unpack(">4H", answer[:8])
    assert number == 4711 and flags & 0x8000
    return f"{CODES.get(flags & 15, flags & 15)} {records}"
