#!/bin/sh
# package-chart.sh REGISTRY DIGEST DIRECTORY: puts the chart of a release as an archive into DIRECTORY. What it runs by default
# is that release's image, by its digest. Needs helm; HELM says which.
set -eu

registry=$1 digest=$2 directory=$3
helm=${HELM:-helm}
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
chart=$copy/entra-operator

cp -R "$(dirname "$0")/chart" "$chart"
sed -i "s#^  registry: \"\"#  registry: $registry#; s#^  digest: \"\"#  digest: $digest#" "$chart/values.yaml"
sed -i "/^| .image.registry/ s#\"\"#$registry#; /^| .image.digest/ s#\"\"#$digest#" "$chart/README.md"
sed -i "s#^      image: #&$registry/#" "$chart/Chart.yaml"

images=$("$helm" template entra-operator "$chart" --kube-version 1.33.0 | sed -n 's/^ *image: //p' | sort -u)
if [ "$images" != "$registry/entra-operator@$digest" ]; then
    echo "the chart would run $images" >&2
    exit 1
fi
"$helm" package "$chart" --destination "$directory"
