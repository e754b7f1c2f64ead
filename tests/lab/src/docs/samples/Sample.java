import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;

class Sample {
SAMPLE

    public static void main(String[] arguments) throws Exception {
        HttpClient client = HttpClient.newHttpClient();
        for (String path : new String[] {"/me", "/rotate", "/me"}) {
            URI uri = URI.create("https://graph.microsoft.com/v1.0" + path);
            int status = client.send(authorized(uri), BodyHandlers.ofString()).statusCode();
            if (status != 200) {
                throw new IllegalStateException(path + ": " + status);
            }
        }
    }
}
