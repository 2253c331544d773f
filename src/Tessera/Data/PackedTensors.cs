using static TorchSharp.torch;

namespace Tessera.Data;

/// <summary>Tensors whose values lie one behind the other, those of each number format in one piece: so many transfers take all of them to a device.</summary>
internal sealed class PackedTensors : IDisposable
{
    private readonly Tensor[] pieces; // (values), one a number format
    private readonly Place[] places;

    private PackedTensors(Tensor[] pieces, Place[] places) => (this.pieces, this.places) = (pieces, places);

    /// <summary>The pieces, one a number format.</summary>
    public IReadOnlyList<Tensor> Pieces => pieces;

    /// <summary>Copies tensors behind each other.</summary>
    /// <param name="tensors">On the CPU; they stay the caller's.</param>
    /// <param name="keep">What is done with each piece: given one, gives one that is kept. The one that was given is freed where it is another.</param>
    public static PackedTensors Of(IReadOnlyList<Tensor> tensors, Func<Tensor, Tensor> keep)
    {
        using var scope = NewDisposeScope();
        var (formats, lengths, places) = (new List<ScalarType>(), new List<long>(), new Place[tensors.Count]);
        for (var i = 0; i < places.Length; i++)
        {
            var piece = formats.IndexOf(tensors[i].dtype);
            if (piece < 0)
            {
                piece = formats.Count;
                formats.Add(tensors[i].dtype);
                lengths.Add(0);
            }
            places[i] = new Place(piece, lengths[piece], tensors[i].shape);
            lengths[piece] += tensors[i].numel();
        }
        var pieces = formats.Select((_, p) =>
        {
            Tensor[] own = [.. tensors.Where((_, i) => places[i].Piece == p).Select(t => t.reshape(-1))];
            return keep(own.Length == 1 ? own[0] : cat(own)).DetachFromDisposeScope();
        });
        return new PackedTensors([.. pieces], places);
    }

    /// <summary>The same on a device, in one transfer a piece, which is not waited for where the pieces lie in pinned memory.</summary>
    public PackedTensors To(Device device) => new(Array.ConvertAll(pieces, p => p.to(device, non_blocking: true).DetachFromDisposeScope()), places);

    /// <summary>The tensors, in the order in which they were given, in the pieces' memory.</summary>
    public IEnumerable<Tensor> Open() => places.Select(place =>
        pieces[place.Piece].narrow(0, place.Start, place.Shape.Aggregate(1L, (a, b) => a * b)).view(place.Shape).DetachFromDisposeScope());

    /// <summary>Frees the pieces; what was opened lives on.</summary>
    public void Dispose()
    {
        foreach (var piece in pieces) piece.Dispose();
    }

    /// <summary>Where a tensor lies.</summary>
    private sealed record Place(int Piece, long Start, long[] Shape);
}
