// MSAL Java for the interop tests: one JSON scenario per line in, one JSON result per line out.

import com.azure.json.JsonProviders;
import com.azure.json.JsonReader;
import com.azure.json.JsonWriter;
import com.microsoft.aad.msal4j.AbstractClientApplicationBase;
import com.microsoft.aad.msal4j.ClientCredentialFactory;
import com.microsoft.aad.msal4j.ConfidentialClientApplication;
import com.microsoft.aad.msal4j.IAccount;
import com.microsoft.aad.msal4j.IAuthenticationResult;
import com.microsoft.aad.msal4j.IClientCredential;
import com.microsoft.aad.msal4j.MsalException;
import com.microsoft.aad.msal4j.MsalInteractionRequiredException;
import com.microsoft.aad.msal4j.PublicClientApplication;
import com.microsoft.aad.msal4j.RefreshTokenParameters;
import com.microsoft.aad.msal4j.SilentParameters;
import com.microsoft.aad.msal4j.UserNamePasswordParameters;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

public final class Driver {
    private static final Pattern CODE = Pattern.compile("AADSTS(\\d+)");

    private final Map<String, AbstractClientApplicationBase> sessions = new HashMap<>();

    public static void main(String[] arguments) throws Exception {
        SSLContext.setDefault(trusting(Path.of(System.getenv("SSL_CERT_FILE"))));
        Driver driver = new Driver();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            System.out.println(written(driver.play(new Scenario(read(line)))));
        }
    }

    /** The JVM knows no variable for a private authority. */
    private static SSLContext trusting(Path authority) throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        store.setCertificateEntry("authority", certificate(Files.readString(authority)));
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        return context;
    }

    private static X509Certificate certificate(String pem) throws Exception {
        InputStream bytes = new ByteArrayInputStream(pem.getBytes(StandardCharsets.UTF_8));
        return (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(bytes);
    }

    private static PrivateKey key(String pem) throws Exception {
        String base64 = pem.replaceAll("-----[A-Z ]+-----|\\s", "");
        PKCS8EncodedKeySpec bytes = new PKCS8EncodedKeySpec(Base64.getDecoder().decode(base64));
        return KeyFactory.getInstance("RSA").generatePrivate(bytes);
    }

    private Map<String, Object> play(Scenario scenario) {
        try {
            AbstractClientApplicationBase app = sessions.get(scenario.text("session"));
            if (app == null) {
                app = application(scenario);
                sessions.put(scenario.text("session"), app);
            }
            return token(app, acquire(app, scenario).join());
        } catch (CompletionException failure) {
            return refused(failure.getCause());
        } catch (Exception failure) {
            return refused(failure);
        }
    }

    /** A stock client. Nothing is asked about the authority, because a private one is in no list of Microsoft's. */
    private static AbstractClientApplicationBase application(Scenario scenario) throws Exception {
        String client = scenario.text("client");
        String authority = scenario.text("authority");
        IClientCredential credential = credential(scenario);
        if (credential == null) {
            return PublicClientApplication.builder(client).authority(authority).instanceDiscovery(false).build();
        }
        return ConfidentialClientApplication.builder(client, credential)
                .authority(authority)
                .instanceDiscovery(false)
                .build();
    }

    private static IClientCredential credential(Scenario scenario) throws Exception {
        if (scenario.text("certificate") != null) {
            return ClientCredentialFactory.createFromCertificate(
                    key(scenario.text("key")), certificate(scenario.text("certificate")));
        }
        String secret = scenario.text("secret");
        return secret == null ? null : ClientCredentialFactory.createFromSecret(secret);
    }

    private static CompletableFuture<IAuthenticationResult> acquire(
            AbstractClientApplicationBase app, Scenario scenario) throws Exception {
        Set<String> scopes = scenario.scopes();
        switch (scenario.text("do")) {
            case "signIn":
                char[] password = scenario.text("password").toCharArray();
                return ((PublicClientApplication) app).acquireToken(
                        UserNamePasswordParameters.builder(scopes, scenario.text("username"), password).build());
            case "redeem":
                return app.acquireToken(RefreshTokenParameters.builder(scopes, scenario.text("refreshToken")).build());
            default:
                boolean forced = scenario.text("do").equals("renew");
                return app.acquireTokenSilently(
                        SilentParameters.builder(scopes, account(app)).forceRefresh(forced).build());
        }
    }

    private static IAccount account(AbstractClientApplicationBase app) {
        return app.getAccounts().join().iterator().next();
    }

    private static Map<String, Object> token(AbstractClientApplicationBase app, IAuthenticationResult answer)
            throws Exception {
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("outcome", "token");
        result.put("account", answer.account().homeAccountId());
        result.put("username", answer.account().username());
        result.put("accessToken", answer.accessToken());
        result.put("refreshToken", refreshToken(app));
        return result;
    }

    /** The newest one: MSAL keeps one per account and replaces it. */
    private static Object refreshToken(AbstractClientApplicationBase app) throws Exception {
        Map<?, ?> tokens = (Map<?, ?>) read(app.tokenCache().serialize()).get("RefreshToken");
        return ((Map<?, ?>) tokens.values().iterator().next()).get("secret");
    }

    /** MSAL Java shows codes in its text only, and a suberror only as the reason of a need to interact. */
    private static Map<String, Object> refused(Throwable failure) {
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("outcome", "error");
        result.put("error", failure instanceof MsalException ? ((MsalException) failure).errorCode() : "other");
        result.put("codes", codes(String.valueOf(failure.getMessage())));
        if (failure instanceof MsalInteractionRequiredException) {
            String reason = ((MsalInteractionRequiredException) failure).reason().name();
            result.put("verdict", reason.toLowerCase(Locale.ROOT));
        }
        result.put("text", String.valueOf(failure));
        return result;
    }

    private static List<Integer> codes(String text) {
        List<Integer> found = new ArrayList<>();
        Matcher matcher = CODE.matcher(text);
        while (matcher.find()) {
            found.add(Integer.valueOf(matcher.group(1)));
        }
        return found;
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> read(String json) throws Exception {
        try (JsonReader reader = JsonProviders.createReader(json)) {
            return (Map<String, Object>) reader.readUntyped();
        }
    }

    private static String written(Map<String, Object> result) throws Exception {
        StringWriter text = new StringWriter();
        try (JsonWriter writer = JsonProviders.createWriter(text)) {
            writer.writeMap(result, JsonWriter::writeUntyped);
        }
        return text.toString();
    }

    private static final class Scenario {
        private final Map<String, Object> fields;

        Scenario(Map<String, Object> fields) {
            this.fields = fields;
        }

        String text(String name) {
            return (String) fields.get(name);
        }

        Set<String> scopes() {
            Set<String> scopes = new HashSet<>();
            for (Object scope : (List<?>) fields.get("scopes")) {
                scopes.add((String) scope);
            }
            return scopes;
        }
    }
}
