using System.Buffers.Binary;
using System.Diagnostics;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace Tessera.Ranks;

/// <summary>Tells when a rank is lost: MPI itself waits for it without end.</summary>
/// <remarks>
/// Every rank holds a connection to rank 0, over which each says every two seconds that it is there, and at which step. A process that ends closes it at
/// once, however it ended; a host or a network that is gone falls silent.
/// </remarks>
internal sealed class RankWatch : IDisposable
{
    private const int TokenBytes = 16, FrameBytes = 9;
    private static readonly TimeSpan Beat = TimeSpan.FromSeconds(2), Patience = TimeSpan.FromSeconds(20), Reach = TimeSpan.FromSeconds(5);

    private readonly Communicator ranks;
    private readonly Action<RankLoss> lost;
    private readonly List<Peer> peers = [];
    private readonly CancellationTokenSource end = new();
    private readonly Lock gate = new();
    private Thread? beating;
    private long step;
    private bool hasEnded;

    private RankWatch(Communicator ranks, Action<RankLoss> lost) => (this.ranks, this.lost) = (ranks, lost);

    private enum Word : byte { Here, Failed, Leaving }

    public long Step
    {
        get => Interlocked.Read(ref step);
        set => Interlocked.Exchange(ref step, value);
    }

    /// <summary>Connects the ranks; every one calls it.</summary>
    /// <exception cref="RanksException">A rank cannot reach rank 0.</exception>
    public static RankWatch Begin(Communicator ranks, Action<RankLoss> lost)
    {
        var watch = new RankWatch(ranks, lost);
        watch.Connect();
        foreach (var peer in watch.peers)
            new Thread(() => watch.Listen(peer), maxStackSize: 1 << 18) { IsBackground = true, Name = $"rank {peer.Rank}" }.Start();
        watch.beating = new Thread(watch.SayHere) { IsBackground = true, Name = "ranks, here" };
        watch.beating.Start();
        return watch;
    }

    /// <summary>Tells the others that this rank ends in failure, which it tells itself.</summary>
    public void Fail() => Tell(Word.Failed);

    /// <summary>Tells the others that this rank ends well.</summary>
    public void Leave() => Tell(Word.Leaving);

    public void Dispose()
    {
        hasEnded = true;
        end.Cancel();
        beating?.Join();
        foreach (var peer in peers) peer.Socket.Dispose();
        end.Dispose();
    }

    private void Connect()
    {
        using var listener = ranks.IsFirst ? new Socket(SocketType.Stream, ProtocolType.Tcp) : null; // of both families, where the system has both
        listener?.Bind(new IPEndPoint(Socket.OSSupportsIPv6 ? IPAddress.IPv6Any : IPAddress.Any, 0));
        listener?.Listen(ranks.Size);
        var token = RandomNumberGenerator.GetBytes(TokenBytes);
        var address = ranks.FromFirst(() => new Address([.. Own().Select(a => a.ToString())], ((IPEndPoint)listener!.LocalEndPoint!).Port, token));
        ranks.Together(() => ranks.IsFirst ? Accepted(listener!, token) : Reached(address));
    }

    private bool Reached(Address first)
    {
        foreach (var text in first.Addresses)
        {
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                using var soon = new CancellationTokenSource(Reach);
                socket.ConnectAsync(IPAddress.Parse(text), first.Port, soon.Token).AsTask().GetAwaiter().GetResult();
                var hello = new byte[TokenBytes + sizeof(int)];
                first.Token.CopyTo(hello, 0);
                BinaryPrimitives.WriteInt32LittleEndian(hello.AsSpan(TokenBytes), ranks.Rank);
                socket.Send(hello);
                peers.Add(new Peer(0, socket));
                return true;
            }
            catch (Exception e) when (e is SocketException or OperationCanceledException)
            {
                socket.Dispose();
            }
        }
        throw new RanksException($"{ranks.Name(ranks.Rank)} cannot connect to {ranks.Name(0)} ({string.Join(", ", first.Addresses)}, a port that the system chooses): let the hosts of a job reach each other by TCP.");
    }

    // Those that cannot reach this rank say so where all meet; none is waited for much longer than its tries take.
    private bool Accepted(Socket listener, byte[] token)
    {
        var begun = Stopwatch.StartNew();
        while (peers.Count < ranks.Size - 1 && begun.Elapsed < Reach * 4)
        {
            if (!listener.Poll(TimeSpan.FromMilliseconds(200), SelectMode.SelectRead)) continue;
            var socket = listener.Accept();
            socket.NoDelay = true;
            var hello = new byte[TokenBytes + sizeof(int)];
            if (Filled(socket, hello, Reach) && CryptographicOperations.FixedTimeEquals(hello.AsSpan(0, TokenBytes), token))
                peers.Add(new Peer(BinaryPrimitives.ReadInt32LittleEndian(hello.AsSpan(TokenBytes)), socket));
            else socket.Dispose(); // none of ours
        }
        return true;
    }

    /// <summary>The addresses by which others may reach this host, the loop last.</summary>
    private static IEnumerable<IPAddress> Own() => NetworkInterface.GetAllNetworkInterfaces()
        .Where(n => n.OperationalStatus == OperationalStatus.Up || n.NetworkInterfaceType == NetworkInterfaceType.Loopback)
        .SelectMany(n => n.GetIPProperties().UnicastAddresses.Select(u => u.Address))
        .Where(a => !a.IsIPv6LinkLocal)
        .OrderBy(IPAddress.IsLoopback).ThenBy(a => a.AddressFamily == AddressFamily.InterNetworkV6)
        .Append(IPAddress.Loopback).Distinct();

    private void SayHere()
    {
        while (!end.IsCancellationRequested)
        {
            Tell(Word.Here);
            end.Token.WaitHandle.WaitOne(Beat);
        }
    }

    private void Tell(Word word, Peer? besides = null)
    {
        var frame = new byte[FrameBytes];
        frame[0] = (byte)word;
        BinaryPrimitives.WriteInt64LittleEndian(frame.AsSpan(1), Step);
        lock (gate)
        {
            foreach (var peer in peers)
            {
                if (peer == besides) continue;
                try { peer.Socket.Send(frame); }
                catch (Exception e) when (e is SocketException or ObjectDisposedException) { } // whoever listens to it sees that it is gone
            }
        }
    }

    private void Listen(Peer peer)
    {
        var frame = new byte[FrameBytes];
        while (true)
        {
            bool came;
            try { came = Filled(peer.Socket, frame, Patience); }
            catch (Exception e) when (e is SocketException or ObjectDisposedException) { came = false; }
            if (hasEnded) return;
            if (!came)
            {
                Lost(peer);
                return;
            }
            peer.Step = BinaryPrimitives.ReadInt64LittleEndian(frame.AsSpan(1));
            if ((Word)frame[0] == Word.Leaving) return;
            if ((Word)frame[0] != Word.Failed) continue;
            if (ranks.IsFirst) Tell(Word.Failed, besides: peer);
            lost(new RankLoss(null));
            return;
        }
    }

    private void Lost(Peer peer)
    {
        var message = $"{ranks.Name(peer.Rank)} was lost at step {peer.Step}: it ended, or cannot be reached any more. The run's last checkpoint stands: go on from it, with any number of ranks.";
        if (ranks.IsFirst) Tell(Word.Failed); // to that one as well: should it only have stood still, it ends without a word of its own
        lost(new RankLoss(ranks.Rank <= 1 ? message : null)); // should rank 0 be lost, all others see it
    }

    /// <returns>False where the other side closed, or was silent for too long.</returns>
    private static bool Filled(Socket socket, byte[] frame, TimeSpan patience)
    {
        var silence = Stopwatch.StartNew(); // a date jumps when a clock is set, and a rank is not lost by that
        for (var at = 0; at < frame.Length;)
        {
            var before = silence.Elapsed;
            if (!socket.Poll(Beat, SelectMode.SelectRead))
            {
                if (silence.Elapsed - before > Beat * 2) silence.Restart(); // this process itself stood still
                if (silence.Elapsed > patience) return false;
                continue;
            }
            var read = socket.Receive(frame, at, frame.Length - at, SocketFlags.None);
            if (read == 0) return false;
            at += read;
            silence.Restart();
        }
        return true;
    }

    private sealed record Address(IReadOnlyList<string> Addresses, int Port, byte[] Token);

    private sealed record Peer(int Rank, Socket Socket)
    {
        public long Step { get; set; }
    }
}
