#!/bin/sh
# Puts this part in place: unpack FOLDER. May be repeated; nothing is done if the same part is there. Needs
# python3, no xz.
set -eu
target=${1:?usage: unpack FOLDER}
here=$(cd "$(dirname "$0")" && pwd)
exec python3 - "$here" "$target" <<'END'
import hashlib, lzma, os, shutil, sys, tarfile
from pathlib import Path

here, target = map(Path, sys.argv[1:3])
target.mkdir(parents=True, exist_ok=True)
for packed in sorted(here.glob("*.xz")):
    digest = hashlib.sha256(packed.read_bytes()).hexdigest()
    stamp = target / f".{packed.name}"
    if stamp.exists() and stamp.read_text() == digest:
        continue
    stamp.unlink(missing_ok=True)
    if packed.name.endswith(".tar.xz"):
        with tarfile.open(packed, "r:xz") as archive:
            archive.extractall(target, filter="data") if hasattr(tarfile, "data_filter") else archive.extractall(target)
    else:
        part = target / "runtime" / (packed.name + ".part")
        part.parent.mkdir(exist_ok=True)
        with lzma.open(packed) as source, open(part, "wb") as file:
            shutil.copyfileobj(source, file, 1 << 22)
        os.replace(part, part.parent / packed.name.removesuffix(".xz"))
    stamp.write_text(digest)
print(target)
END
