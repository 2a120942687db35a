#!/usr/bin/env python3
"""A registry on the loopback, for npm and for pip, whose packages are made here and can be made to go bad.

usage: registry.py FOLDER

Writes its port to FOLDER/port. Before every answer FOLDER/mode is read, one line for each thing that is wrong:
    poison NAME      the tarball of NAME, and the hash that the registry tells, are others, under the same version
    tamper NAME      the tarball of NAME is another, the hash is as it was
    truncate         tarballs end in the middle
    errors           every answer is 500
    hang             no answer at all
    newer NAME       there is a version 1.1.0 of NAME
Below /corp/ there is one more for npm, below /private/ one for pip: each wants its own login. FOLDER/asked gets a line for
each request.
"""

import base64
import gzip
import hashlib
import http.server
import io
import json
import pathlib
import sys
import tarfile
import time
import zipfile

FOLDER = pathlib.Path(sys.argv[1])

# What a server that was prepared can still do: one line of JSON.
SERVER = r"""#!/usr/bin/env node
const fs = require('fs'), net = require('net'), path = require('path');
const { value } = require('dep-one');
const report = { dep: value, version: require('./package.json').version, args: process.argv.slice(2), tag: 'TAG' };
const attempt = (name, act) => { try { act(); report[name] = 'done'; } catch (error) { report[name] = error.code; } };
attempt('write', () => fs.writeFileSync(path.join(__dirname, 'planted.js'), 'x'));
attempt('replace', () => fs.renameSync(__filename, __filename + '.old'));
attempt('token', () => fs.readFileSync(path.join(require('os').homedir(), '.npmrc')));
const socket = net.connect(Number(process.argv[2]), '127.0.0.1');
const end = (how) => { report.registry = how; console.log(JSON.stringify(report)); process.exit(0); };
socket.on('connect', () => end('connected'));
socket.on('error', (error) => end(error.code));
"""

# A server that looks for logins, wherever it can look. The word that is looked for is not in its own text.
SEEKER = r"""#!/usr/bin/env node
require('dep-one');
const fs = require('fs'), path = require('path');
const word = 's3c' + 'ret', found = [];
for (const [name, value] of Object.entries(process.env)) if (value.includes(word)) found.push(name);
const look = (place) => {
  let kind;
  try { kind = fs.lstatSync(place); } catch { return; }
  if (kind.isDirectory()) try { fs.readdirSync(place).forEach((name) => look(path.join(place, name))); } catch {}
  if (kind.isFile() && kind.size < 1e6) try { if (fs.readFileSync(place, 'latin1').includes(word)) found.push(place); } catch {}
};
[require('os').homedir(), path.join(__dirname, '../../..'), '/prepare', '/tmp', '/proc/self/environ'].forEach(look);
console.log(JSON.stringify({ found }));
"""
PY_SEEKER = r"""
import json, os, sys
def main():
    word = "".join(["s3c", "ret"])  # which no .pyc has either
    found = [name for name, value in os.environ.items() if word in value]
    for place in [os.path.expanduser("~"), sys.prefix, "/prepare", "/tmp"]:
        for folder, _, files in os.walk(place):
            for file in (os.path.join(folder, name) for name in files):
                try:
                    if os.path.isfile(file) and os.path.getsize(file) < 1e6 and word.encode() in open(file, "rb").read():
                        found.append(file)
                except OSError:
                    pass
    print(json.dumps({"found": found}))
"""

# What an install script tries. It leaves what came of it in its own package, for the test to read.
SCRIPT = r"""
const fs = require('fs'), net = require('net'), os = require('os'), path = require('path');
const report = {};
const attempt = (name, act) => { try { report[name] = String(act() ?? 'done'); } catch (error) { report[name] = error.code; } };
const target = JSON.parse(fs.readFileSync(path.join(__dirname, 'target.json')));
attempt('key', () => fs.readFileSync(path.join(target.home, '.ssh/id_test'), 'utf8'));
attempt('token', () => fs.readFileSync(path.join(target.home, '.npmrc'), 'utf8'));
attempt('variable', () => process.env.REGISTRY_TOKEN ?? (() => { throw { code: 'unset' } })());
attempt('outside', () => fs.writeFileSync(path.join(target.folder, 'written'), 'x'));
attempt('cache', () => fs.writeFileSync(path.join(target.home, '.cache/planted'), 'x'));
const reach = (name, port) => new Promise((resolve) => {
  const socket = net.connect(port, '127.0.0.1');
  socket.on('connect', () => { report[name] = 'connected'; socket.destroy(); resolve(); });
  socket.on('error', (error) => { report[name] = error.code; resolve(); });
});
(async () => {
  await reach('other', target.other);
  await reach('registry', target.registry);
  fs.writeFileSync(path.join(__dirname, 'report.json'), JSON.stringify(report));
})();
"""

PORT = 0


def mode():
    try:
        return (FOLDER / "mode").read_text().split("\n")
    except FileNotFoundError:
        return []


def npm_tarball(name, version, tag):
    manifest = {"name": name, "version": version}
    files = {}
    if name == "dep-one":
        manifest["main"] = "index.js"
        files["index.js"] = f"exports.value = 'dependency'; // {tag}\n"
    elif name == "@test/server":
        manifest |= {"bin": {"server": "server.js"}, "dependencies": {"dep-one": "^1.0.0"}}
        files["server.js"] = SERVER.replace("TAG", tag)
    elif name == "@corp/server":
        manifest |= {"bin": {"server": "server.js"}, "dependencies": {"dep-one": "^1.0.0"}}
        files["server.js"] = SEEKER
    elif name == "scripted":
        manifest |= {"bin": {"scripted": "ok.js"}, "scripts": {"postinstall": "node attack.js"}}
        files["ok.js"] = "#!/usr/bin/env node\nconsole.log(require('fs').readFileSync(__dirname + '/report.json', 'utf8'));\n"
        files["attack.js"] = SCRIPT
        files["target.json"] = (FOLDER / "target.json").read_text()
    elif name == "needy":
        manifest |= {"bin": {"needy": "ok.js"}, "scripts": {"postinstall": "node fetch.js"}}
        files["ok.js"] = "#!/usr/bin/env node\nconsole.log('fetched');\n"
        files["fetch.js"] = "fetch('http://localhost:%d/file').then((r) => process.exit(0), (e) => process.exit(1));\n" % PORT
    elif name in ("lenient", "strict"):
        manifest |= {"bin": {name: "ok.js"}, "optionalDependencies" if name == "lenient" else "dependencies": {"failing": "^1.0.0"}}
        files["ok.js"] = "#!/usr/bin/env node\nlet f = true; try { require('failing') } catch { f = false }\nconsole.log(f);\n"
    elif name == "failing":
        manifest |= {"scripts": {"install": "node -e 'process.exit(3)'"}}
        files["index.js"] = ""
    elif name == "with-browser":
        manifest |= {"bin": {"with-browser": "ok.js"}, "dependencies": {"puppeteer": "^1.0.0"}}
        files["ok.js"] = "#!/usr/bin/env node\nconsole.log(require('puppeteer'));\n"
    elif name == "puppeteer":
        manifest |= {"scripts": {"postinstall": "node fetch.js"}}
        files["fetch.js"] = (
            "const write = (how) => require('fs').writeFileSync('index.js', `module.exports = '${how}'`);\n"
            "if (process.env.PUPPETEER_SKIP_DOWNLOAD) write('left out');\n"
            "else fetch('http://localhost:%d/file').then(() => write('fetched'), () => process.exit(1));\n" % PORT
        )
    elif name == "several":
        manifest |= {"bin": {"one": "a.js", "two": "b.js"}}
        files |= {"a.js": "#!/usr/bin/env node\nconsole.log('one')\n", "b.js": "#!/usr/bin/env node\nconsole.log('two')\n"}
    elif name == "git-dependency":
        manifest |= {"bin": "a.js", "dependencies": {"x": "git+http://localhost:%d/x.git" % PORT}}
        files["a.js"] = "#!/usr/bin/env node\n"
    else:
        return None, None
    files["package.json"] = json.dumps(manifest)
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        for path, text in sorted(files.items()):
            data = text.encode()
            info = tarfile.TarInfo("package/" + path)
            info.size, info.mode = len(data), 0o755
            archive.addfile(info, io.BytesIO(data))
    return manifest, gzip.compress(raw.getvalue(), mtime=0)


def tag_of(name):
    return "bad" if f"poison {name}" in mode() else "good"


def versions(name):
    return ["1.0.0", "1.1.0"] if f"newer {name}" in mode() else ["1.0.0"]


def packument(name):
    known = {}
    for version in versions(name):
        manifest, data = npm_tarball(name, version, tag_of(name))
        if manifest is None:
            return None
        digest = base64.b64encode(hashlib.sha512(data).digest()).decode()
        base = name.rsplit("/")[-1]
        known[version] = manifest | {
            "dist": {
                "tarball": f"http://127.0.0.1:{PORT}/{'corp/' if name.startswith('@corp/') else ''}{name}/-/{base}-{version}.tgz",
                "integrity": f"sha512-{digest}",
            }
        }
        if "scripts" in manifest:
            known[version]["hasInstallScript"] = True
    dates = {version: "2020-01-01T00:00:00.000Z" for version in known}
    return {"name": name, "dist-tags": {"latest": max(known)}, "versions": known, "time": dates}


PYTHON = r"""
import json, os, socket, sys
def main():
    report = {"tag": "TAG", "args": sys.argv[1:]}
    try:
        open(os.path.join(os.path.dirname(__file__), "planted.py"), "w")
        report["write"] = "done"
    except OSError as error:
        report["write"] = error.strerror
    try:
        socket.create_connection(("127.0.0.1", int(sys.argv[1])))
        report["registry"] = "connected"
    except OSError as error:
        report["registry"] = error.strerror
    print(json.dumps(report))
"""


def wheel(tag, module="py_server", text=PYTHON):
    raw = io.BytesIO()
    info = f"{module}-1.0.0.dist-info/"
    name = module.replace("_", "-")
    files = {
        f"{module}.py": text.replace("TAG", tag),
        info + "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0.0\n",
        info + "WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        info + "entry_points.txt": f"[console_scripts]\n{name} = {module}:main\n",
    }
    files[info + "RECORD"] = "".join(f"{path},,\n" for path in [*files, info + "RECORD"])
    with zipfile.ZipFile(raw, "w") as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    return raw.getvalue()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        wrong = mode()
        with open(FOLDER / "asked", "a") as asked:
            asked.write(f"{self.path} {self.headers.get('authorization', '')}\n")
        if "hang" in wrong:
            time.sleep(600)
        if "errors" in wrong:
            return self.answer(500, b"no")
        path = self.path.replace("%2f", "/").replace("%2F", "/").lstrip("/")
        if path.startswith("corp/"):
            path = path.removeprefix("corp/")
            if self.headers.get("authorization") != "Bearer corp-s3cret":
                return self.answer(401, b"{}")
        elif path.startswith("@corp/"):
            return self.answer(404, b'{"error":"not found"}')
        if path.startswith("private/"):
            if self.headers.get("authorization") != "Basic " + base64.b64encode(b"me:pip-s3cret").decode():
                return self.answer(401, b"")
            data = wheel("good", "py_seeker", PY_SEEKER)
            if path.endswith(".whl"):
                return self.answer(200, data, "application/octet-stream")
            digest = hashlib.sha256(data).hexdigest()
            link = f'<a href="/private/py_seeker-1.0.0-py3-none-any.whl#sha256={digest}">py_seeker-1.0.0-py3-none-any.whl</a>'
            return self.answer(200, f"<!DOCTYPE html><html><body>{link}</body></html>".encode(), "text/html")
        if path.startswith("simple/py-server"):
            # A poisoned index tells the new hash; a tampered one the old.
            digest = hashlib.sha256(wheel(tag_of("py-server"))).hexdigest()
            link = f'<a href="/files/py_server-1.0.0-py3-none-any.whl#sha256={digest}">py_server-1.0.0-py3-none-any.whl</a>'
            return self.answer(200, f"<!DOCTYPE html><html><body>{link}</body></html>".encode(), "text/html")
        if path.startswith("files/"):
            tag = "bad" if "tamper py-server" in wrong else tag_of("py-server")
            return self.answer(200, wheel(tag), "application/octet-stream")
        if path == "file":
            return self.answer(200, b"x")
        if "/-/" in path:
            name, file = path.split("/-/")
            version = file.removesuffix(".tgz").rsplit("-", 1)[1]
            tag = "bad" if f"tamper {name}" in wrong else tag_of(name)
            return self.answer(200, npm_tarball(name, version, tag)[1], "application/octet-stream", "truncate" in wrong)
        found = packument(path)
        if found is None:
            return self.answer(404, b'{"error":"not found"}')
        self.answer(200, json.dumps(found).encode(), "application/json")

    def answer(self, code, body, kind="text/plain", cut=False):
        self.send_response(code)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            self.close_connection = True

    def log_message(self, *_):
        pass


def main():
    global PORT
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    PORT = server.server_address[1]
    beside = FOLDER / "port.new"
    beside.write_text(str(PORT))
    beside.rename(FOLDER / "port")
    server.serve_forever()


main()
