"""A server of TLS for every name, on port 443. It says its certificate, and ends with its stdin."""

import os, socket, ssl, subprocess, sys, tempfile, threading

with tempfile.TemporaryDirectory() as folder:
    key, certificate = os.path.join(folder, "key"), os.path.join(folder, "certificate")
    names = "subjectAltName=DNS:api.test,DNS:forbidden.test"
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"]
    subprocess.run([*make, "-subj", "/CN=tests", "-addext", names, "-keyout", key, "-out", certificate], check=True, stderr=subprocess.DEVNULL)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with open(certificate) as file:
        text = file.read()

def serve(connection):
    try:
        with context.wrap_socket(connection, server_side=True) as tls:
            tls.sendall(b"hello over TLS")
            tls.unwrap()
    except OSError:
        pass

def accept(server):
    while True:
        connection, _ = server.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()

server = socket.create_server(("::", 443), family=socket.AF_INET6, dualstack_ipv6=True)
threading.Thread(target=accept, args=(server,), daemon=True).start()
print(text.replace("\n", "\\n"), flush=True)
sys.stdin.read()
