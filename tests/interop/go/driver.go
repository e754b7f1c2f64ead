// MSAL Go for the interop tests: one JSON scenario per line in, one JSON result per line out.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/cache"
	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
	msal "github.com/AzureAD/microsoft-authentication-library-for-go/apps/errors"
	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/public"
)

type scenario struct {
	Do, Session, Client, Authority string
	Secret, Certificate, Key       string
	Username, Password             string
	Scopes                         []string
}

type result struct {
	Outcome      string  `json:"outcome"`
	Account      string  `json:"account,omitempty"`
	Username     string  `json:"username,omitempty"`
	AccessToken  string  `json:"accessToken,omitempty"`
	RefreshToken string  `json:"refreshToken,omitempty"`
	Error        string  `json:"error,omitempty"`
	Codes        []int   `json:"codes,omitempty"`
	Suberror     *string `json:"suberror,omitempty"`
	Text         string  `json:"text,omitempty"`
}

// app is what the two kinds of client have in common.
type app interface {
	signIn(context.Context, scenario) (public.AuthResult, error)
	silent(context.Context, scenario) (public.AuthResult, error)
	renew(context.Context, scenario) (public.AuthResult, error)
}

// vault keeps the cache as MSAL exports it: the only way to see a refresh token.
type vault struct{ exported []byte }

func (v *vault) Replace(_ context.Context, c cache.Unmarshaler, _ cache.ReplaceHints) error {
	if v.exported == nil {
		return nil
	}
	return c.Unmarshal(v.exported)
}

func (v *vault) Export(_ context.Context, c cache.Marshaler, _ cache.ExportHints) (err error) {
	v.exported, err = c.Marshal()
	return err
}

func (v *vault) refreshToken() string {
	var content struct {
		RefreshToken map[string]struct{ Secret string }
	}
	if json.Unmarshal(v.exported, &content) == nil {
		for _, token := range content.RefreshToken {
			return token.Secret
		}
	}
	return ""
}

type session struct {
	app   app
	vault *vault
}

// open makes a stock client. Nothing is asked about the authority, because a private one is in no list of Microsoft's.
func open(s scenario) (session, error) {
	v := &vault{}
	if s.Secret == "" && s.Certificate == "" {
		client, err := public.New(s.Client, public.WithAuthority(s.Authority),
			public.WithInstanceDiscovery(false), public.WithCache(v))
		return session{publicApp{client}, v}, err
	}
	credential, err := credential(s)
	if err != nil {
		return session{}, err
	}
	client, err := confidential.New(s.Authority, s.Client, credential,
		confidential.WithInstanceDiscovery(false), confidential.WithCache(v))
	return session{confidentialApp{client}, v}, err
}

func credential(s scenario) (confidential.Credential, error) {
	if s.Secret != "" {
		return confidential.NewCredFromSecret(s.Secret)
	}
	certificates, key, err := confidential.CertFromPEM([]byte(s.Certificate+s.Key), "")
	if err != nil {
		return confidential.Credential{}, err
	}
	return confidential.NewCredFromCert(certificates, key)
}

type publicApp struct{ client public.Client }

func (a publicApp) signIn(ctx context.Context, s scenario) (public.AuthResult, error) {
	return a.client.AcquireTokenByUsernamePassword(ctx, s.Scopes, s.Username, s.Password)
}

func (a publicApp) silent(ctx context.Context, s scenario) (public.AuthResult, error) {
	return a.acquire(ctx, s)
}

// renew: there is no switch for it, but a claims challenge passes the cached access token by.
func (a publicApp) renew(ctx context.Context, s scenario) (public.AuthResult, error) {
	return a.acquire(ctx, s, public.WithClaims("{}"))
}

func (a publicApp) acquire(
	ctx context.Context, s scenario, more ...public.AcquireSilentOption,
) (public.AuthResult, error) {
	accounts, err := a.client.Accounts(ctx)
	if err != nil || len(accounts) == 0 {
		return public.AuthResult{}, errors.Join(err, errors.New("no account in the cache"))
	}
	return a.client.AcquireTokenSilent(ctx, s.Scopes, append(more, public.WithSilentAccount(accounts[0]))...)
}

// confidentialApp only signs in: nothing but a sign-in by password is asked of it.
type confidentialApp struct{ client confidential.Client }

func (a confidentialApp) signIn(ctx context.Context, s scenario) (public.AuthResult, error) {
	return a.client.AcquireTokenByUsernamePassword(ctx, s.Scopes, s.Username, s.Password)
}

func (a confidentialApp) silent(context.Context, scenario) (public.AuthResult, error) {
	return public.AuthResult{}, errors.ErrUnsupported
}

func (a confidentialApp) renew(context.Context, scenario) (public.AuthResult, error) {
	return public.AuthResult{}, errors.ErrUnsupported
}

func act(a app, s scenario) (public.AuthResult, error) {
	switch s.Do {
	case "signIn":
		return a.signIn(context.Background(), s)
	case "silent":
		return a.silent(context.Background(), s)
	case "renew":
		return a.renew(context.Background(), s)
	default:
		return public.AuthResult{}, errors.ErrUnsupported
	}
}

func play(sessions map[string]session, s scenario) result {
	current, known := sessions[s.Session]
	if !known {
		opened, err := open(s)
		if err != nil {
			return refused(err)
		}
		current, sessions[s.Session] = opened, opened
	}
	answer, err := act(current.app, s)
	if err != nil {
		return refused(err)
	}
	return result{
		Outcome:      "token",
		Account:      answer.Account.HomeAccountID,
		Username:     answer.Account.PreferredUsername,
		AccessToken:  answer.AccessToken,
		RefreshToken: current.vault.refreshToken(),
	}
}

// refused: MSAL Go has no classes of its own; it hands on the service's answer as it came.
func refused(err error) result {
	failed := result{Outcome: "error", Error: "other", Text: err.Error()}
	var call msal.CallErr
	if !errors.As(err, &call) || call.Resp == nil {
		return failed
	}
	var body struct {
		Error    string
		Codes    []int `json:"error_codes"`
		Suberror *string
	}
	if text, err := io.ReadAll(call.Resp.Body); err == nil && json.Unmarshal(text, &body) == nil {
		failed.Error, failed.Codes, failed.Suberror = body.Error, body.Codes, body.Suberror
	}
	return failed
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	out := json.NewEncoder(os.Stdout)
	sessions := map[string]session{}
	for lines.Scan() {
		var s scenario
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			panic(err)
		}
		if err := out.Encode(play(sessions, s)); err != nil {
			panic(err)
		}
	}
}
