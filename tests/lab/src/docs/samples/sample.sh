set -eu

call() {
SAMPLE
}

call
printf 'Authorization: Bearer %s\n' "$(cat /var/run/entra/access_token)" |
  curl --fail --silent --header @- https://graph.microsoft.com/v1.0/rotate
call
