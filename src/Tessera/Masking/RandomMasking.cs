using Tessera.Imaging;

namespace Tessera.Masking;

/// <summary>Hides units drawn uniformly without replacement (MAE, arXiv:2111.06377, section 3).</summary>
public sealed class RandomMasking : MaskingStrategy
{
    /// <inheritdoc/>
    public override void Hide(Span<bool> hidden, int rows, int columns, int count, ref CounterRandom random)
    {
        // Floyd 1987: one draw for each hidden unit, and no list of all of them.
        for (var last = hidden.Length - count; last < hidden.Length; last++)
        {
            var drawn = random.NextBelow(last + 1);
            hidden[hidden[drawn] ? last : drawn] = true;
        }
    }
}
