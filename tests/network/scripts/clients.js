const dns = require("node:dns").promises;
const net = require("node:net");
const http = require("node:http");

const say = (label, result) => console.log(`${label}: ${result}`);

async function attempt(label, act) {
  const start = performance.now();
  let result;
  try {
    result = await act();
  } catch (error) {
    result = error.cause?.code ?? error.code ?? error.message;
  }
  say(label, performance.now() - start > 2000 ? `${result} LATE` : result);
}

function reach(options) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(options);
    let text = "";
    socket.on("data", (part) => (text += part));
    socket.on("end", () => resolve(text));
    socket.on("error", reject);
  });
}

function get(url, agent) {
  return new Promise((resolve, reject) => {
    const request = http.get(url, { agent }, (answer) => {
      let text = "";
      answer.on("data", (part) => (text += part));
      answer.on("end", () => resolve(text));
    });
    request.on("error", reject);
  });
}

const fetched = async (url) => (await fetch(url)).text();

(async () => {
  await attempt("lookup", async () => (await dns.lookup("api.test", { all: true })).length);
  await attempt("lookup of another", () => dns.lookup("forbidden.test"));
  await attempt("resolve4", async () => (await dns.resolve4(DUAL)).length);
  await attempt("resolve4 of another", () => dns.resolve4("forbidden.test"));
  await attempt("fetch", () => fetched("http://api.test/"));
  await attempt("fetch from another", () => fetched("http://forbidden.test/"));
  await attempt("fetch from an address", () => fetched("http://11.11.2.1/"));
  await attempt("http", () => get("http://api.test/"));
  await attempt("socket", () => reach({ host: "api.test", port: 7000 }));
  await attempt("refused", () => reach({ host: "api.test", port: 7999 }));
  await attempt("IPv6 only", () => reach({ host: "six.test", port: 7000 }));
  await attempt("happy eyeballs", async () => {
    const text = await reach({ host: DUAL, port: 7000, autoSelectFamily: true });
    return text.replace(/from .*/, "from one of them");
  });
  await attempt("happy eyeballs, one refuses", () => reach({ host: "both.test", port: 7100, autoSelectFamily: true }));
  // However long it takes on a busy machine.
  const all = await Promise.all(Array.from({ length: 100 }, () => fetched("http://api.test/")));
  say("many", new Set(all).size);
})();
