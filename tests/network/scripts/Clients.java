import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.util.concurrent.Callable;

/** Sockets of Java are IPv6 ones that reach IPv4 by mapped addresses. */
public class Clients {
    public static void main(String[] arguments) throws Exception {
        attempt("addresses", () -> InetAddress.getAllByName("api.test").length);
        attempt("another name", () -> InetAddress.getByName("forbidden.test"));
        attempt("socket", () -> reach("api.test"));
        attempt("IPv6 only", () -> reach("six.test"));
        attempt("an address", () -> reach("11.11.2.1"));
        attempt("channel", () -> channel("api.test", 7000));
        attempt("channel, refused", () -> channel("api.test", 7999));
        attempt("HTTP", () -> {
            HttpRequest request = HttpRequest.newBuilder(URI.create("http://api.test/")).build();
            return HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString()).body();
        });
    }

    interface Act extends Callable<Object> {}

    static void attempt(String label, Act act) {
        String result;
        try {
            result = act.call().toString();
        } catch (Exception error) {
            result = error.getClass().getSimpleName();
        }
        System.out.println(label + ": " + result);
    }

    static String reach(String host) throws Exception {
        try (Socket socket = new Socket()) {
            socket.connect(new InetSocketAddress(host, 7000), 5000);
            return new String(socket.getInputStream().readAllBytes());
        }
    }

    /** Registered first, connected then. */
    static String channel(String host, int port) throws Exception {
        try (SocketChannel channel = SocketChannel.open(); Selector selector = Selector.open()) {
            channel.configureBlocking(false);
            channel.register(selector, SelectionKey.OP_CONNECT);
            selector.selectNow();
            if (!channel.connect(new InetSocketAddress(host, port))) {
                selector.select(5000);
                channel.finishConnect();
            }
            channel.keyFor(selector).interestOps(SelectionKey.OP_READ);
            ByteBuffer bytes = ByteBuffer.allocate(100);
            selector.select(5000);
            channel.read(bytes);
            return new String(bytes.array(), 0, bytes.position());
        }
    }
}
