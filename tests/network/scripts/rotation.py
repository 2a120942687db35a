def connect(name):
    try:
        return reach(name)
    except OSError as error:
        return name_of(error)

before = {}
for label, name in (("rotates", ROTATES), ("rebinds", REBINDS)):
    before[name] = connect(name)
    say(f"first of {label}", before[name])
sys.stdin.readline()
# Addresses are used for some seconds after they were learned.
deadline = time.monotonic() + 40
changed = {}
while len(changed) < len(before) and time.monotonic() < deadline:
    for name in before.keys() - changed.keys():
        now = connect(name)
        if now != before[name]:
            changed[name] = now
    select.select([], [], [], 0.5)
say("then of rotates", changed.get(ROTATES, "the same"))
say("then of rebinds", changed.get(REBINDS, "the same"))
