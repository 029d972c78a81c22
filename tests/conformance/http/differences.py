"""Where ours, nginx and Node's parser may differ, and why that is meant. Whatever stands here and does not come up fails the comparison, too."""
import re

NGINX, NODE, BOTH = ("nginx",), ("node",), ("nginx", "node")

CLOSE_WINS = "Connection: close beside keep-alive"

# What only some versions of Node do: it may stand here and not come up.
OF_SOME_VERSIONS = ("a header line begins with white space",)

# Why ours refuses (its own words) what others accept: who, and why ours is stricter
STRICT = {
    "a header line begins with white space": (NODE, "Node 18 joins folded lines; RFC 9112 5.2 lets a server refuse them"),
    "a line of the head ends without CRLF": (BOTH, "RFC 9112 2.2 lets a recipient take a bare LF for a line end; who does not then sees another head"),
    "the request line does not end in an HTTP version": (BOTH, "spaces before or after the version; RFC 9112 3 warns of lenient splitting"),
    "the request line has no HTTP version": (NODE, "a request of HTTP/0.9, which nobody sends"),
    "only HTTP/1.1 and HTTP/1.0 are spoken here": (BOTH, "framing rules of other minor versions are unknown"),
    "the method is not a token": (BOTH, "both skip a CR before the method"),
    "the request target is neither a path nor an http URI": (BOTH, "there is nothing else here to be asked for"),
    "only OPTIONS may ask for *": (NODE, "RFC 9112 3.2.4"),
    "the request target is empty or holds a character that needs %": (BOTH, "a fragment or a raw byte is no part of a target (RFC 3986)"),
    "a header name is empty or holds an invalid character": (BOTH, "nginx drops such a header silently, Node 18 lets spaces stand before the colon"),
    "a header value holds a control character": (NGINX, "RFC 9110 5.5: only CR, LF and NUL must be refused; others have no use but to confuse"),
    "a header line has no colon": (BOTH, "nginx drops it silently, Node 18 takes a lone CR for the end of the head"),
    "empty lines stand before the request line": (BOTH, "one is tolerated as RFC 9112 2.2 asks; more is no client's mistake"),
    "Host is missing": (NODE, "Node checks it in its server, not in its parser"),
    "there is more than one Host": (NODE, "as above; RFC 9112 3.2 demands 400"),
    "Host is not a name with an optional port": (BOTH, "RFC 9112 3.2 demands 400"),
    "there are tabs around Content-Length": (NODE, "legal, but nginx does not know it, so whatever stands before us may not"),
    "there are tabs around Transfer-Encoding": (NODE, "as above"),
    "HTTP/1.0 has no Transfer-Encoding": (NODE, "RFC 9112 6.1: such a message's framing is faulty"),
    "the only transfer coding known here is chunked": (NODE, "nothing here could decode another"),
    "the only expectation known here is 100-continue": (BOTH, "RFC 9110 10.1.1: 417; Node does so in its server"),
    "a chunk's size line is not well-formed": (BOTH, "both skip what follows the size, up to the line's end"),
    "a chunk's data do not end where its size says": (BOTH, "nginx takes a bare LF after them, Node 18 anything"),
    CLOSE_WINS: (BOTH, "RFC 9112 9.3: close counts before keep-alive; nginx takes the last of them, Node keep-alive in HTTP/1.0"),
    "a trailer is not well-formed": (BOTH, "both skip trailers; ours are skipped, too, but only well-formed ones"),
}


def target_of(head):
    return head.split(b" ")[1]


def closes(head):
    """Says both."""
    return all(re.search(rb"\r\nConnection: " + word, head, re.I) for word in (b"close", b"keep-alive"))


def host_is_usual(head):
    """In the header, and in an absolute URI."""
    found = re.search(rb"\r\nHost: *([^\r]*)", head, re.I)
    hosts = [found[1].rstrip(b" ") if found else b""] + re.findall(rb"^https?://([^/?]*)", target_of(head), re.I)
    return all(re.fullmatch(rb"[A-Za-z0-9_-][A-Za-z0-9._-]*(:\d*)?|\[[0-9A-Fa-f:.]+\](:\d*)?", host) and b".." not in host for host in hosts)


def has_trailer(rest, name):
    return re.search(rb"\r\n0+[^\r\n]*\r\n([^\r\n]+\r\n)*" + name + rb":", rest, re.I) is not None


# What ours accepts and one other refuses: who; whether head and what follows it are such a case; why ours accepts it
LENIENT = {
    "a method that Node does not know": (
        "node", lambda head, rest: re.match(rb"(GET|POST|PUT|DELETE|OPTIONS|HEAD|PATCH|M-SEARCH) ", head) is None,
        "the handler refuses it (405), with the path judged first"),
    "a target that nginx can't decode": (
        "nginx", lambda head, rest: re.search(rb"%(?![0-9A-Fa-f]{2})|%00", target_of(head).split(b"?")[0]) is not None,
        "ours compares the path's bytes and decodes nothing"),
    "OPTIONS *": (
        "nginx", lambda head, rest: head.startswith(b"OPTIONS * "),
        "it is legal, and no path of ours"),
    "a Host that nginx does not take": (
        "nginx", lambda head, rest: not host_is_usual(head),
        "it chooses nothing here; an empty one is legal (RFC 9112 3.2)"),
    "white space before an extension's name, = or ;": (
        "node", lambda head, rest: re.search(rb"(^|\r\n)[0-9A-Fa-f]+[^\r\n]*[ \t][^\r\n]*\r\n", rest) is not None,
        "RFC 9112 7.1.1: a recipient has to parse it (BWS)"),
    "a trailer that names the framing": (
        "node", lambda head, rest: has_trailer(rest, rb"(Content-Length|Transfer-Encoding)"),
        "trailers are skipped; what they say changes nothing"),
}
