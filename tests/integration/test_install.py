"""What an installation puts where, and what it leaves alone."""

import os
import subprocess
import unittest

import xsvd


class Install(xsvd.TestCase):
    def install(self, prefix, **environment):
        return subprocess.run(["cmake", "--install", str(xsvd.BUILD), "--prefix", str(prefix)], check=True, capture_output=True, text=True,
                              env=dict(os.environ, **environment)).stdout

    def test_a_prefix_holds_everything_and_an_edited_configuration_stays(self):
        prefix = self.folder() / "prefix"
        said = self.install(prefix)
        places = [line.split(": ", 1)[1] for line in said.splitlines() if ": /" in line]
        self.assertEqual([place for place in places if not place.startswith(f"{prefix}/")], [])
        config = prefix / "etc/xsvd/xsvd.conf"
        sample = subprocess.run([prefix / "sbin/xsvd", "--print-config"], capture_output=True, text=True, check=True).stdout
        self.assertEqual(config.read_text(), sample)

        config.write_text("[supervisord]\n")
        self.assertIn(f"Kept: {config}", self.install(prefix))
        self.assertEqual(config.read_text(), "[supervisord]\n")

    def test_below_usr_the_configuration_is_in_etc(self):
        stage = self.folder() / "stage"
        self.install("/usr", DESTDIR=str(stage))
        self.assertTrue((stage / "etc/xsvd/xsvd.conf").exists())
        self.assertTrue((stage / "usr/sbin/xsvd").exists())


if __name__ == "__main__":
    unittest.main()
