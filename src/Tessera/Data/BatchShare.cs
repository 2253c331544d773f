namespace Tessera.Data;

/// <summary>Which pictures of every batch one rank takes: as many as the others, or one more.</summary>
/// <param name="Rank">The rank, from 0.</param>
/// <param name="Ranks">How many there are.</param>
public readonly record struct BatchShare(int Rank, int Ranks)
{
    /// <summary>All of them: there is one rank.</summary>
    public static BatchShare Whole => new(0, 1);

    /// <summary>The places of the rank's pictures in a batch.</summary>
    public Range Of(int batch) => Bound(batch, Rank)..Bound(batch, Rank + 1);

    private int Bound(int batch, int rank) => (int)((long)batch * rank / Ranks);
}
