// Node's HTTP parser, strict as it comes, on each connection's bytes; says what a server would be handed. Node's server itself can't be
// asked: at an error it forgets the requests before it that it has not answered yet. Prints its address; ends when standard input does.
import net from "node:net";

const { HTTPParser, methods, allMethods } = process.binding("http_parser");
const names = allMethods ?? methods;

function read(bytes) {
  const seen = [];
  let request = null;
  const parser = new HTTPParser();
  parser.initialize(HTTPParser.REQUEST, {}, 0, 0);
  parser[HTTPParser.kOnHeaders] = (_headers, url) => { if (request === null) parser.url = (parser.url ?? "") + url; };
  parser[HTTPParser.kOnHeadersComplete] = (_major, _minor, _headers, method, url) => {
    request = { method: names[method], url: url ?? parser.url, body: [] };
    parser.url = undefined;
    return 0;
  };
  parser[HTTPParser.kOnBody] = (piece, offset, length) => {
    request.body.push(Buffer.from(offset === undefined ? piece : piece.subarray(offset, offset + length)));
  };
  parser[HTTPParser.kOnMessageComplete] = () => {
    seen.push(`${request.method} ${request.url} ${Buffer.concat(request.body).toString("hex")}`);
    request = null;
  };
  let end = parser.execute(bytes);
  if (!(end instanceof Error)) end = parser.finish();
  return { seen, end: end instanceof Error ? end.code : "open" };
}

const server = net.createServer({ allowHalfOpen: true }, (socket) => {
  const pieces = [];
  socket.on("data", (piece) => pieces.push(piece));
  socket.on("end", () => socket.end(JSON.stringify(read(Buffer.concat(pieces)))));
  socket.on("error", () => {});
});
server.listen(0, "127.0.0.1", () => console.log(`127.0.0.1:${server.address().port}`));
process.stdin.on("end", () => process.exit(0)).resume();
