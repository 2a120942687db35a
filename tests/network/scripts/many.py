MANY, THREADS, EACH = 2000, 16, 20
TO = socket.getaddrinfo("api.test", GREETER, socket.AF_INET, socket.SOCK_STREAM)[0][4]
limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))

def at_once():
    """All of them are begun before any is waited for, and open until all have answered."""
    sockets = []
    for _ in range(MANY):
        s = socket.socket()
        s.setblocking(False)
        code = s.connect_ex(TO)
        if code not in (0, errno.EINPROGRESS):
            return errno.errorcode[code], len(sockets)
        sockets.append(s)
    answered = 0
    for s in sockets:
        s.setblocking(True)
        s.settimeout(20)
        answered += rest(s).startswith("hello")
    for s in sockets:
        s.close()
    return answered

def in_threads():
    results = []
    start = threading.Barrier(THREADS)
    def work():
        start.wait()
        for _ in range(EACH):
            try:
                results.append(reach("api.test"))
            except OSError as error:
                results.append(name_of(error))
    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(results), sorted(set(results))

# However long it takes on a busy machine.
say("at once", at_once())
say("in threads", in_threads())
