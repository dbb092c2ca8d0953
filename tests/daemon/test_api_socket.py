# SPDX-License-Identifier: MIT
"""The socket of the daemon: who may open it, who made it, and what is left of it."""

import os
import signal
import socket
import stat
import subprocess
import time

import pytest
import rack as racks


def test_socket_file(rack):
    r = rack()
    mode = os.stat(r.socket)
    assert stat.S_ISSOCK(mode.st_mode) and stat.S_IMODE(mode.st_mode) == 0o660
    assert r.stop() == 0
    assert not os.path.exists(r.socket)
    r.start()


@pytest.mark.skipif(os.getuid() != 0, reason='only root has a file of groups of its own')
def test_a_group_of_thousands(rack, tmp_path):
    """A name service hands over the names of all members."""
    members = ','.join(f'somebody-with-a-name-{i}' for i in range(3000))
    (tmp_path / 'group').write_text(f'root:x:0:\ncrowd:x:4711:{members}\n')
    (tmp_path / 'conf').write_text('[daemon]\ngroup = crowd\n')
    words = ['unshare', '--mount', 'sh', '-c', f'mount --bind {tmp_path}/group /etc/group && exec "$@"', 'sh']
    if subprocess.run([*words, 'true'], check=False, capture_output=True).returncode:
        pytest.skip('no namespaces to be had here')
    r = rack('a', arguments=('-c', str(tmp_path / 'conf')), before=words)
    assert os.stat(r.socket).st_gid == 4711


@pytest.mark.parametrize('line, says', [
    ('read = nobody-has-this', "read: there is no group 'nobody-has-this'"),
    ('administer = everybody, user:who-is-that', "administer: there is no user 'who-is-that'"),
    ('group = nobody-has-this', "group: there is no group 'nobody-has-this'"),
    ('read = root, user:root', ''),
    ('group = root', ''),
])
def test_names_that_nobody_knows_are_told_by_the_check(tmp_path, line, says):
    (tmp_path / 'conf').write_text(f'[daemon]\n{line}\n')

    def check(journal):
        ours, its = os.pipe()
        stream = os.fstat(its)
        with open(ours) as file:
            try:
                done = subprocess.run([racks.program(), '-c', tmp_path / 'conf', '--check-config'], stdout=subprocess.PIPE, stderr=its,
                                      text=True, timeout=60, env={
                                          **os.environ, 'JOURNAL_STREAM': f'{stream.st_dev}:{stream.st_ino + (not journal)}'})
            finally:
                os.close(its)
            assert done.returncode == 0 and 'is good' in done.stdout
            return file.read()

    said = check(journal=False)  # nor need it be the journal's in a terminal whose program a service manager has started
    assert says in said and len(said.splitlines()) == bool(says)
    assert not check(journal=True)  # of a service that is reloaded: its daemon says it


def test_a_daemon_that_was_killed_leaves_no_trouble(rack):
    r = rack()
    r.ready()
    assert r.stop(signal.SIGKILL) == -signal.SIGKILL
    assert os.path.exists(r.socket)
    r.start()
    assert r.ready().call('Echo', text='x') == {'text': 'x'}


def test_a_second_daemon_disturbs_nobody(rack):
    r = rack()
    c = r.ready()
    second = subprocess.run([racks.program(), '--socket', r.socket, '--state-dir', str(r.dir / 'other')],
                            capture_output=True, text=True, timeout=racks.SECONDS)
    assert second.returncode not in (0, -6)
    assert 'another mcumgrd holds the socket' in second.stderr
    assert c.call('Echo', text='x') == {'text': 'x'}
    assert r.ready().call('Echo', text='y') == {'text': 'y'}


@pytest.mark.parametrize('name', ['/dev/null', __file__])
def test_an_input_that_cannot_end_later_is_refused(tmp_path, name):
    with open(name) as file:
        done = subprocess.run([racks.program(), '-c', '/dev/null', '--socket', tmp_path / 's', '--state-dir', tmp_path / 'state',
                               '--until-eof'], stdin=file, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert '--until-eof needs a pipe or a terminal as standard input' in done.stderr


def test_socket_activation(rack):
    r = rack()
    assert r.stop() == 0
    path = str(r.dir / 'activated')
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    early = racks.Client(path)  # before there is a daemon
    early.send('List')
    r.start_activated(listener)
    assert [d['id'] for d in early.reply()['devices']] == ['a']
    assert r.ready().call('Echo', text='x') == {'text': 'x'}
    assert not os.path.exists(r.dir / 'unused')
    early.close()
    listener.close()
    assert r.stop() == 0
    assert os.path.exists(path), 'it belongs to the service manager'
    r.words = r.words[4:]
    r.start()


def test_clients_that_misbehave(rack):
    r = rack()
    c = r.ready()
    for data in b'\0', b'GET / HTTP/1.1\r\n\r\n\0', b'{"method":"io.mcumgr.List","method":"x"}\0', b'\xff\xfe\0', b'[' * 100000 + b'\0':
        bad = r.client()
        bad.socket.sendall(data)
        assert bad.receive() is None
    # Cut in the middle of a message, and of an answer.
    for _ in range(20):
        bad = r.client()
        bad.socket.sendall(b'{"method":"io.mcumgr.Li')
        bad.close()
        bad = r.client()
        bad.send('org.varlink.service.GetInterfaceDescription', {'interface': 'io.mcumgr'})
        bad.close()
    assert c.call('Echo', text='x') == {'text': 'x'}


def test_a_shell_can_be_the_client(rack):
    """One that closes its sending side and reads until the end."""
    r = rack()
    r.ready()
    c = r.client()
    c.send('Echo', {'text': 'x'})
    c.socket.shutdown(socket.SHUT_WR)
    assert c.reply() == {'text': 'x'}
    assert c.receive() is None


def test_oneway(rack):
    r = rack()
    c = r.ready()
    before = r.sim.state()['requests'].get('0/0', 0)
    for _ in range(3):
        c.send('Echo', {'text': 'x'}, oneway=True)
    assert c.call('Echo', text='y') == {'text': 'y'}
    assert r.sim.state()['requests']['0/0'] == before + 4


def test_a_call_over_the_limit_is_answered_and_the_connection_goes_on(shared):
    c = shared.client()
    c.send('ImagePut', {'data': 'A' * (17 << 20)})
    with pytest.raises(racks.Error) as caught:
        c.reply()
    assert (caught.value.name, caught.value.parameters['limit']) == ('LimitExceeded', 'message')
    assert '16 MiB' in caught.value.parameters['message']
    assert c.call('Echo', device='a', text='on') == {'text': 'on'}


@pytest.mark.parametrize('behind', [0, 1 << 21])
def test_who_only_listened_and_went_is_noticed(rack, behind):
    """A client that said all it had to say, or more than is read while a call of it runs, and then dies. Nothing is printed by
    its board, so that nothing has to be sent to it."""
    r = rack()
    c = r.ready()
    files = len(os.listdir(f'/proc/{r.process.pid}/fd'))
    for _ in range(3):
        s = socket.socket(socket.AF_UNIX)
        s.connect(r.socket)
        s.sendall(b'{"method":"io.mcumgr.Console","parameters":{"device":"a","follow":true},"more":true}\0')
        assert s.recv(1)
        s.settimeout(1)
        try:
            s.sendall(b' ' * behind)
        except TimeoutError:
            pass  # nobody reads it any more
        if not behind:
            s.shutdown(socket.SHUT_WR)
        assert c.call('Echo', device='a', text='x') == {'text': 'x'}
        s.close()
    deadline = time.monotonic() + racks.SECONDS
    while len(os.listdir(f'/proc/{r.process.pid}/fd')) > files:
        assert time.monotonic() < deadline, 'they are thought to be there'
        time.sleep(0.02)
